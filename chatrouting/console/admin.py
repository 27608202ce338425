"""Everything the admin shows; Django looks for it under this name."""

from chatrouting.console import (
    approvals,
    breakers,
    broadcasts,
    connections,
    dead_letters,
    people,
    processes,
    routes,
    runs,
    threads,
    workers,
)

__all__ = [
    "approvals",
    "breakers",
    "broadcasts",
    "connections",
    "dead_letters",
    "people",
    "processes",
    "routes",
    "runs",
    "threads",
    "workers",
]
