"""What a run tells its thread's members, in order: one writer, deltas joined before they get a seq."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.agents.masking import storable
from chatrouting.agents.messages import AgentDelta
from chatrouting.stream.log import Fenced, RunMark, TextChange, TextLost
from chatrouting.stream.publishing import Event, Refusals, publish_each
from routing_core.messages import Message

logger = logging.getLogger(__name__)

T = TypeVar("T")

QUEUE = 256
DELTA_CHARACTERS = 16_384
KEPT_CHARACTERS = 43_690  # with six bytes for each as it is sent they fit into 256 KiB
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which run, in which thread, under which fence, at which attempt."""

    run_id: UUID
    thread_id: UUID
    fence: int
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class _Text:
    text: str
    most: int = DELTA_CHARACTERS


@dataclass(frozen=True, slots=True)
class _Said:
    message: Message
    change: TextChange
    key: str


class RunPublisher:
    """The events of one attempt. `async with` it: leaving waits until everything is written, or drops
    what is left where an exception leaves.

    `publish` and `write` put into a bounded queue and return; they raise `Fenced` once another worker
    has the run. While Valkey does not answer the writer goes on trying, so nothing is left out; a member
    whose stream is damaged keeps nothing from the others.
    """

    def __init__(
        self,
        key: RunKey,
        audience: Callable[[], Awaitable[Sequence[str]]],
        delta_seconds: float,
        text: str = "",
        first: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`text` is what the run has written already and goes on from; `first` is done before all is told."""
        self._key = key
        self._audience = audience
        self._delta_seconds = delta_seconds
        self._queue: asyncio.Queue[_Text | _Said | None] = asyncio.Queue(QUEUE)
        self._ordinal = 0
        self._position = len(text)
        self._bytes = len(text.encode())
        self._next_delta_at = 0.0
        self._first = first
        self._refused: set[str] = set()
        self._failure: Exception | None = None
        self._writer: asyncio.Task[None] | None = None
        self.text = text

    async def __aenter__(self) -> Self:
        self._writer = asyncio.create_task(self._write_all(), name=f"run {self._key.run_id} writer")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is None:
            return
        if error is None:
            await self._queue.put(None)
        else:
            self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None

    async def publish(
        self, message: Message, change: TextChange = TextChange.NONE, *, key: str = ""
    ) -> None:
        """Say this after everything said before. Under a key it counts once, also if another worker says it."""
        await self._put(_Said(message, change, key))

    async def write(self, text: str, *, most: int = DELTA_CHARACTERS) -> None:
        """Add a piece to the answer, with so many characters in a delta at most.

        It belongs to `text` once it is sure to be written.
        """
        piece = storable(text)
        if piece:
            await self._put(_Text(piece, most))
            self.text += piece

    async def settled(self) -> None:
        """Wait until everything said so far stands in the streams. Raises `Fenced`."""
        await self._queue.join()
        if self._failure is not None:
            raise self._failure

    async def _put(self, item: _Text | _Said) -> None:
        if self._failure is not None:
            raise self._failure
        await self._queue.put(item)

    async def _write_all(self) -> None:
        item = await self._queue.get()
        while item is not None:
            following = None
            try:
                if self._first is not None:
                    await self._patiently(self._first)
                    self._first = None
                if self._failure is None:
                    following = await self._write(item)
            except Fenced as error:
                self._failure = error  # from here on the rest is taken and dropped
            except Exception as error:  # an edge: the run is told at its next word
                counters.events_lost.labels("run_writer").inc()
                logger.exception("run %s cannot be published", self._key.run_id)
                self._failure = error
            finally:
                self._queue.task_done()
            item = following or await self._queue.get()
        self._queue.task_done()

    async def _write(self, item: _Text | _Said) -> _Said | None:
        if isinstance(item, _Said):
            self._ordinal += 1
            await self._publish(item.message, self._mark(item.change, ""), item.key)
            return None
        text, following = await self._joined(item.text)
        try:
            for start in range(0, len(text), item.most):
                await self._add(text[start : start + item.most])
        except Exception:  # what was taken beside the text is dropped with it, and counts as done
            if following is not None:
                self._queue.task_done()
            raise
        self._next_delta_at = _now() + self._delta_seconds
        return following

    async def _add(self, piece: str) -> None:
        delta = AgentDelta(text=piece, position=self._position)
        self._ordinal += 1
        adding = self._mark(TextChange.ADD, piece)
        self._position += len(piece)
        self._bytes += len(piece.encode())
        try:
            await self._publish(delta, adding)
        except TextLost:  # Valkey lost its memory in between
            await self._publish(delta, self._mark(TextChange.SET, self.text[: self._position]))

    async def _joined(self, text: str) -> tuple[str, _Said | None]:
        """This piece and those that come before the next delta is due, up to the next other event."""
        if self._next_delta_at <= _now():
            return text, None
        pieces = [text]
        try:
            async with asyncio.timeout_at(self._next_delta_at):
                while isinstance(item := await self._queue.get(), _Text):
                    pieces.append(item.text)
                    self._queue.task_done()
        except TimeoutError:
            return "".join(pieces), None
        return self._kept("".join(pieces), item)

    def _kept(self, text: str, item: _Said | None) -> tuple[str, _Said | None]:
        if item is None:  # the end: put back for the loop, which has room since we took it
            self._queue.put_nowait(None)
            self._queue.task_done()
        return text, item

    def _mark(self, change: TextChange, text: str) -> RunMark:
        run_id, fence = str(self._key.run_id), self._key.fence
        attempt = self._key.attempt
        return RunMark(run_id, fence, self._ordinal, change, text, self._bytes, attempt)

    async def _publish(self, message: Message, mark: RunMark, key: str = "") -> None:
        event = Event(message, self._key.thread_id, self._key.run_id, key, mark)
        refusals = await self._patiently(lambda: self._bring(event))
        if refusals:
            self._note(refusals)

    async def _bring(self, event: Event) -> Refusals:
        return await publish_each(await self._audience(), event)

    async def _patiently(self, telling: Callable[[], Awaitable[T]]) -> T:
        """Again and again while Valkey does not answer."""
        while True:
            try:
                return await telling()
            except RedisError as error:
                logger.warning("run %s waits for Valkey: %s", self._key.run_id, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _note(self, refusals: Refusals) -> None:
        """Each event that somebody misses is counted; the log says it once of each."""
        counters.events_lost.labels("stream_refused").inc(len(refusals))
        for user_id in refusals.keys() - self._refused:
            why = refusals[user_id]
            logger.error("the stream of user %s refused run %s: %s", user_id, self._key.run_id, why)
        self._refused |= refusals.keys()


def _now() -> float:
    return asyncio.get_running_loop().time()
