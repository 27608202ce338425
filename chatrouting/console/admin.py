"""Everything the admin shows; Django looks for it under this name."""

from chatrouting.console import (
    broadcasts,
    connections,
    dead_letters,
    people,
    processes,
    runs,
    threads,
)

__all__ = ["broadcasts", "connections", "dead_letters", "people", "processes", "runs", "threads"]
