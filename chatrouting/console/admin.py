"""Everything the admin shows; Django looks for it under this name."""

from chatrouting.console import connections, people, processes, runs, threads

__all__ = ["connections", "people", "processes", "runs", "threads"]
