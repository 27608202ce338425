"""The way of a run to a worker: "run this id", through Valkey. The row in the database is the truth.

There is a queue for each priority, and a worker takes from a lower one only what the higher ones leave.
What is taken is in the queue no more. A run that could not be enqueued, or that a worker took and did not
claim, is not lost: the workers' sweep finds it. One that is enqueued again is in the queue once, and keeps its
place: it is named there with the fence that it waits under.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.conf import settings
from redis.exceptions import RedisError

from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Priority
from chatrouting.conf import chat_settings
from chatrouting.outages import log_failure
from chatrouting.stream.loops import PerLoop
from chatrouting.stream.scripts import Script
from chatrouting.stream.valkey import valkey
from chatrouting.stream.wire import Argument, Wire, connect

logger = logging.getLogger(__name__)

QUEUES = tuple(priority.queue for priority in Priority)  # the highest first

WAITING = 10_000  # runs that this process is to send
BATCH = 100  # of them, in one write
RETRY_SECONDS = 1.0
CLOSE_SECONDS = 1.0
NEWS_SECONDS = 3  # for a run to come; less than a wire waits for an answer

ENQUEUE = Script.read(Path(__file__).parent / "lua" / "enqueue.lua")


def queue_key(queue: str) -> str:
    """Where a queue lies in Valkey: a sorted set of names by place, the lowest next."""
    return f"{{{chat_settings().queue}}}:runs:{queue}"


def _place_key() -> str:
    return f"{{{chat_settings().queue}}}:place"


@dataclass(frozen=True, slots=True)
class _Entry:
    """A run that waits for a worker under a fence."""

    queue: str
    name: str

    @classmethod
    def of(cls, run: Run) -> "_Entry":
        return cls(Priority(run.priority).queue, f"{run.pk}:{run.fence}")


class RunQueue:
    """Enqueues runs from this event loop. Those that come while others are sent wait, and go together."""

    def __init__(self) -> None:
        self._waiting: list[_Entry] = []
        self._sender: asyncio.Task[None] | None = None
        self._later: set[asyncio.TimerHandle] = set()

    def put(self, run: Run) -> None:
        """Send the run to a worker soon. Where too many wait it is left to the sweep."""
        if len(self._waiting) >= WAITING:
            logger.warning("run %s is left to the sweep: the queue is full", run.pk)
            return
        self._waiting.append(_Entry.of(run))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(
                self._send_all(), name="run queue", context=Context()
            )

    def put_later(self, run: Run, seconds: float) -> None:
        """As `put`, after so many seconds. Where the queue closes before, it is left to the sweep."""

        def due() -> None:
            self._later.discard(timer)
            self.put(run)

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._later.add(timer)

    async def close(self) -> None:
        """Send what waits; what cannot be sent soon is left to the sweep."""
        while self._later:
            self._later.pop().cancel()
        if self._sender is not None:
            await asyncio.wait({self._sender}, timeout=CLOSE_SECONDS)
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send_all(self) -> None:
        """What was not answered is sent again: where it had come and was taken, whoever takes it finds it held."""
        while sent := self._waiting[:BATCH]:
            try:
                await _send(sent)
                del self._waiting[: len(sent)]
            except Exception as error:  # noqa: BLE001 - reason: an edge: it is tried again, and the sweep goes past it
                log_failure(logger, "the run queue does not answer", error)
                await asyncio.sleep(RETRY_SECONDS)


async def _send(entries: Sequence[_Entry]) -> None:
    names = {queue: [each.name for each in entries if each.queue == queue] for queue in QUEUES}
    calls = [((queue_key(queue), _place_key()), tuple(those)) for queue, those in names.items()]
    await ENQUEUE.call_all(valkey(), [each for each in calls if each[1]])


class QueueReader:
    """Takes runs from these queues, over a connection of its own: that is where it waits."""

    def __init__(self, queues: Sequence[str] = QUEUES) -> None:
        self._keys = [queue_key(queue) for queue in QUEUES if queue in queues]
        self._wire: Wire | None = None

    async def take(self, most: int) -> list[UUID]:
        """The next runs of the highest priority there is, in order; none where none came for a while.

        Raises redis-py's errors.
        """
        if self._wire is None or self._wire.lost.done():
            self._wire = await connect(settings.REDIS_URL)
        queues: Sequence[Argument] = (len(self._keys), *self._keys)
        answer = await self._wire.send("BZMPOP", NEWS_SECONDS, *queues, "MIN", "COUNT", most)
        if isinstance(answer, RedisError):
            raise answer
        _, taken = answer or (b"", [])
        return [run_id for name, _ in taken if (run_id := _run_id(name)) is not None]

    def close(self) -> None:
        """Take no more. What Valkey gives at this moment is left to the sweep."""
        if self._wire is not None:
            self._wire.close()


def _run_id(name: bytes) -> UUID | None:
    try:
        return UUID(name.decode().partition(":")[0])
    except ValueError:
        logger.warning("%r in the run queue names no run", name)
        return None


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
