"""Doing a thing in several threads at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

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
