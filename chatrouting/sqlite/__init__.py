"""Django's SQLite backend for a process of many threads: its `ENGINE` is the name of this package."""
