"""Doing a thing in several threads at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

WAITS = """
    SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (
        SELECT pid FROM pg_locks JOIN pg_database ON oid = database
        WHERE datname = current_database())
"""

A = TypeVar("A")
R = TypeVar("R")


def in_threads(function: Callable[[A], R], arguments: Iterable[A]) -> list[R]:
    """Call it for all arguments at once, each in a thread with a connection of its own."""

    def call(argument: A) -> R:
        try:
            return function(argument)
        finally:
            connection.close()

    given = list(arguments)
    with ThreadPoolExecutor(len(given)) as threads:
        return list(threads.map(call, given))


def stands_at_a_lock() -> bool:
    """Whether a statement waits for a row: on PostgreSQL. SQLite lets no second transaction begin."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(WAITS)
        return bool(cursor.fetchone()[0])
