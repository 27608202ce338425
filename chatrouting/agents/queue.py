"""The way of a run to a worker: "run this id", through streaQ. The row in the database is the truth.

There is a queue for each priority, and a worker takes from a lower one only what the higher ones leave.
A run that could not be enqueued is not lost: the workers' sweep finds it. One that is enqueued again is in
the queue once, and keeps its place: a job is named by its run and the fence it waits under.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from anyio import CancelScope
from coredis.exceptions import RedisError as QueueError
from django.conf import settings
from streaq import Worker
from streaq.task import Task
from streaq.types import Entries

from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Priority
from chatrouting.conf import chat_settings
from chatrouting.outages import log_failure
from chatrouting.stream.loops import PerLoop

logger = logging.getLogger(__name__)

TASK = "execute"
# A job is given to another worker where it was not begun, or its worker not heard of, for so long. Nobody waits
# for that: a run whose job is lost is taken past the queue. It has to be long, for a worker with more to do than
# it can is heard of late, and two such that take each other's jobs do nothing else.
IDLE_TIMEOUT = timedelta(seconds=30)
NEWS_MS = 3_000  # for something new to come; less than `ANSWER_SECONDS`
WAITING = 10_000
ANSWER_SECONDS = 10.0  # for Valkey to answer, who waits for something new included
RECONNECT_SECONDS = 1.0
CLOSE_SECONDS = 1.0
NOTICED = 1_000  # entries looked at for news
BATCH = 100  # jobs sent in one write

# What streaQ's client raises where Valkey is away, or has forgotten the queue.
FORESEEN = (QueueError, OSError)


def _encode(data: Any) -> str:
    """JSON; what streaQ wants to keep of an exception becomes text."""
    return msgspec.json.encode(data, enc_hook=repr).decode()


QUEUES = tuple(priority.queue for priority in Priority)


class QueueWorker(Worker[None]):
    """streaQ's worker, less its hold on the process's signals: 7.2 takes them whatever `handle_signals` says.

    And it takes no more jobs than it can begin, the highest priority first: streaQ 7.2 holds some back for
    later, and where it has to wait takes as many from each queue, so that a low one may come before a high.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prefetch = self.concurrency
        self._read_up_to = dict.fromkeys(self._streams, "0-0")

    async def signal_handler(self, scope: CancelScope) -> None:
        """Leave SIGTERM and SIGINT to the process."""

    async def _check_xreadgroup_compatibility(self) -> None:
        """Read every server as below: where it can bound what it reads, streaQ waits for news too long."""

    async def _read_streams_legacy(self, count: int, block: bool = False) -> Entries:
        """streaQ's way for a server that cannot bound what it reads from several streams together."""
        if block:
            await self._something_new()
        return await super()._read_streams_legacy(count)

    async def _something_new(self) -> None:
        """Wait until a queue has an entry not seen yet, whoever takes it; for `NEWS_MS` at most."""
        found = await self.redis.xread(self._read_up_to, count=NOTICED, block=NEWS_MS)
        for stream, entries in (found or {}).items():
            self._read_up_to[str(stream)] = str(entries[-1].identifier)


def streaq_worker(concurrency: int = 1, queues: Sequence[str] = QUEUES) -> QueueWorker:
    """A streaQ worker on this project's queues: web processes enqueue with it, `run_agents` works with it."""
    return QueueWorker(
        redis_url=settings.REDIS_URL,
        redis_kwargs=_client_options(),
        queue_name=chat_settings().queue,
        priorities=[name for name in reversed(QUEUES) if name in queues],  # the lowest first
        concurrency=concurrency,
        serializer=_encode,
        deserializer=msgspec.json.decode,
        idle_timeout=IDLE_TIMEOUT,
    )


def _client_options() -> dict[str, Any]:
    """How streaQ's client reads the address: as redis-py does; and how long it waits for anything.

    By itself it waits for ever. A job that waits so keeps its run from being enqueued again.
    """
    return {
        "decode_components": True,
        "stream_timeout": ANSWER_SECONDS,
        "connect_timeout": ANSWER_SECONDS,
    }


@dataclass(frozen=True, slots=True)
class _Job:
    """A run that waits for a worker under this fence."""

    run_id: UUID
    fence: int
    queue: str

    def task(self, worker: QueueWorker) -> Task[Any, Any]:
        task = worker.enqueue_unsafe(TASK, str(self.run_id)).start(priority=self.queue)
        task.id = f"{self.run_id}:{self.fence}"  # one that is there already is not added again
        return task


class RunQueue:
    """Enqueues runs from this event loop. streaQ's client lives in one task, begun on first use."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Job] = asyncio.Queue(WAITING)
        self._sender: asyncio.Task[None] | None = None
        self._later: set[asyncio.TimerHandle] = set()

    def put(self, run: Run) -> None:
        """Send the run to a worker soon. Where too many wait it is left to the sweep."""
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(
                self._send_all(), name="run queue", context=Context()
            )
        try:
            self._waiting.put_nowait(_Job(run.pk, run.fence, Priority(run.priority).queue))
        except asyncio.QueueFull:
            logger.warning("run %s is left to the sweep: the queue is full", run.pk)

    def put_later(self, run: Run, seconds: float) -> None:
        """As `put`, after so many seconds. Where the queue closes before, it is left to the sweep."""

        def due() -> None:
            self._later.discard(timer)
            self.put(run)

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._later.add(timer)

    async def close(self) -> None:
        """Send what waits, and end the sending task; what cannot be sent soon is left to the sweep."""
        while self._later:
            self._later.pop().cancel()
        if self._sender is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._waiting.join()
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)

    async def _send_all(self) -> None:
        while True:
            try:
                async with streaq_worker() as worker:
                    while True:
                        await self._send(worker, await self._next())
            except Exception as error:  # noqa: BLE001 - reason: an edge: the sweep enqueues what was lost
                log_failure(logger, "the run queue does not answer", error, FORESEEN)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _send(self, worker: QueueWorker, jobs: Sequence[_Job]) -> None:
        try:
            await worker.enqueue_many([job.task(worker) for job in jobs])
        finally:
            for _ in jobs:
                self._waiting.task_done()

    async def _next(self) -> list[_Job]:
        """Wait for a job; with it come those behind it, up to a batch."""
        jobs = [await self._waiting.get()]
        while not self._waiting.empty() and len(jobs) < BATCH:
            jobs.append(self._waiting.get_nowait())
        return jobs


_queues = PerLoop(RunQueue)


def run_queue() -> RunQueue:
    """The queue of this event loop."""
    return _queues.here


def enqueue(run: Run) -> None:
    """Tell the workers of a run that is to begin."""
    run_queue().put(run)


def enqueue_later(run: Run, seconds: float) -> None:
    """Tell them after so many seconds; where this process ends before, the sweep finds the run."""
    run_queue().put_later(run, seconds)
