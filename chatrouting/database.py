"""Database work from asynchronous code: a bounded pool of threads, and nothing else.

asgiref runs every `sync_to_async` call of a process in one thread, so that one slow query holds up
every user. Here a few threads work side by side, and what waits for them is counted.
"""

import asyncio
import contextvars
import functools
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections

from chatrouting.conf import chat_settings
from routing_core.errors import Overloaded

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError, Overloaded)
PATIENCE_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """The threads of one process that talk to the database."""

    def __init__(self, *, threads: int, waiting: int, seconds: float) -> None:
        """`waiting`: calls under way or in line before more are refused; `seconds`: the longest wait."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._limit = threads + waiting
        self._seconds = seconds
        self._calls = 0

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread and return what it returns.

        Raises `Overloaded` where the line is full, and `TimeoutError` where the answer is not there
        in time: the thread then still ends its transaction, so a caller must not guess the outcome.
        """
        if self._calls >= self._limit:
            raise Overloaded(retry_after_ms=1_000)
        self._calls += 1
        future = asyncio.get_running_loop().run_in_executor(
            self._executor, contextvars.copy_context().run, with_fresh_connections, work
        )
        future.add_done_callback(self._done)
        async with asyncio.timeout(self._seconds):
            return await asyncio.shield(future)

    def _done(self, future: "asyncio.Future[T]") -> None:
        self._calls -= 1
        if not future.cancelled():
            future.exception()  # seen here, so that a caller who left makes no "never retrieved" warning


def with_fresh_connections(work: Callable[[], T]) -> T:
    """Do the work, in whatever thread this is, with no connection of it that is lost or too old."""
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


@functools.cache
def database_threads() -> DatabaseThreads:
    """The pool of this process."""
    conf = chat_settings()
    return DatabaseThreads(
        threads=conf.database_threads,
        waiting=conf.database_waiting,
        seconds=conf.database_seconds,
    )


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a synchronous function that uses the ORM from asynchronous code."""
    return await database_threads().run(functools.partial(function, *args, **kwargs))


async def patiently(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_database`, and again while the database is away or locked, for two minutes.

    For what has no client waiting, and does no harm where it was done although that could not be said.
    Raises what the last try raises.
    """
    until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await in_database(function, *args, **kwargs)
        except AWAY as error:
            if asyncio.get_running_loop().time() + pause > until:
                raise
            name = getattr(function, "__qualname__", str(function)).lstrip("_")
            logger.warning("the database is away, %s is tried again: %s", name, error)
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - reason: only spreads load
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
