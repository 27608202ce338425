"""The way of a run to a worker: "run this id", through streaQ. The row in the database is the truth.

A run that could not be enqueued is not lost: the workers' sweep finds it.
"""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from anyio import CancelScope
from django.conf import settings
from streaq import Worker

from chatrouting.conf import chat_settings

logger = logging.getLogger(__name__)

TASK = "execute"
IDLE_TIMEOUT = timedelta(seconds=5)
WAITING = 10_000
RECONNECT_SECONDS = 1.0


def _encode(data: Any) -> str:
    """JSON; what streaQ wants to keep of an exception becomes text."""
    return msgspec.json.encode(data, enc_hook=repr).decode()


class QueueWorker(Worker[None]):
    """streaQ's worker, less its hold on the process's signals: 7.2 takes them whatever `handle_signals` says."""

    async def signal_handler(self, scope: CancelScope) -> None:
        """Leave SIGTERM and SIGINT to the process."""


def streaq_worker(concurrency: int = 1) -> QueueWorker:
    """A streaQ worker on this project's queue: web processes enqueue with it, `run_agents` works with it."""
    return QueueWorker(
        redis_url=settings.REDIS_URL,
        redis_kwargs={"decode_components": True},  # reads the address as redis-py does
        queue_name=chat_settings().queue,
        concurrency=concurrency,
        prefetch=1,
        serializer=_encode,
        deserializer=msgspec.json.decode,
        idle_timeout=IDLE_TIMEOUT,
    )


class RunQueue:
    """Enqueues runs from this event loop. streaQ's client lives in one task, begun on first use."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[UUID] = asyncio.Queue(WAITING)
        self._sender: asyncio.Task[None] | None = None

    def put(self, run_id: UUID) -> None:
        """Send the run to a worker soon. Where too many wait it is left to the sweep."""
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all(), name="run queue")
        try:
            self._waiting.put_nowait(run_id)
        except asyncio.QueueFull:
            logger.warning("run %s is left to the sweep: the queue is full", run_id)

    async def close(self) -> None:
        """End the sending task; what still waits is left to the sweep."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send_all(self) -> None:
        while True:
            try:
                async with streaq_worker() as worker:
                    while True:
                        run_id = await self._waiting.get()
                        await worker.enqueue_many([worker.enqueue_unsafe(TASK, str(run_id))])
            except (
                Exception
            ):  # an edge: whatever the client raises, the sweep enqueues what was lost
                logger.warning("the run queue does not answer", exc_info=True)
                await asyncio.sleep(RECONNECT_SECONDS)


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, RunQueue] = WeakKeyDictionary()


def run_queue() -> RunQueue:
    """The queue of this event loop."""
    return _queues.setdefault(asyncio.get_running_loop(), RunQueue())


def enqueue(run_id: UUID) -> None:
    """Tell the workers of a run that is to begin."""
    run_queue().put(run_id)
