"""What a socket does beside its deliveries, and what is done to its end whoever stops waiting for it."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from chatrouting.outages import log_failure

logger = logging.getLogger(__name__)


class Duties:
    """Those of one socket. They log under its ids, also where what began them is done for all sockets."""

    __slots__ = ("_bound", "_connection_id", "_tasks")

    def __init__(self, connection_id: UUID) -> None:
        self._connection_id = connection_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.know()

    def know(self) -> None:
        """What is bound for the log here is bound in every duty from now on."""
        self._bound = contextvars.copy_context()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this in a task. What it raises is logged."""
        bound = self._bound.copy()  # what one duty binds is its own
        task = asyncio.create_task(work, context=bound)
        self._tasks.add(task)
        task.add_done_callback(self._finished, context=bound)

    def do(self, work: Callable[[], None]) -> None:
        """Do this at once."""
        self._bound.copy().run(work)

    async def done(self) -> None:
        """Wait for those under way. They are cancelled with the waiting."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            what = f"connection {self._connection_id} failed beside its deliveries"
            log_failure(logger, what, error)


_endings: set[asyncio.Task[None]] = set()


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do this, which has a bound of its own, and wait for it. It goes on where the waiting is cancelled."""
    task = asyncio.create_task(work)
    _endings.add(task)
    task.add_done_callback(_endings.discard)
    await asyncio.shield(task)
