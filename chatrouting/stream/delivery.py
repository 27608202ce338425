"""From a user's stream to one socket: in order, no gap, no double, nobody else's."""

import asyncio
import logging
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from chatrouting import counters
from chatrouting.stream.frames import Frame
from chatrouting.stream.log import EventLog, Page, Record, Top
from routing_core.cursor import Cursor, Step
from routing_core.envelope import event_frame, event_type

logger = logging.getLogger(__name__)


class PositionLost(Exception):
    """What follows the socket's position is no longer kept, or the stream was begun anew."""


class ForeignEvent(Exception):
    """An event of another user came to this socket. It was not sent."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a client says it has seen. `epoch` is empty where it said nothing usable."""

    epoch: str
    seq: int


class Sink(Protocol):
    """Where events go."""

    def send(self, frame: Frame) -> bool:
        """Send at once. False where it is closed."""
        ...

    async def room(self) -> None:
        """Wait until most of what was sent has left, so that a replay goes at the reader's pace."""
        ...

    def excuse(self) -> None:
        """What was just sent is no reason to take the other side for slow, however long it waits."""
        ...


class Pace(Enum):
    """How events reach the socket."""

    OPENING = auto()  # no place yet: what is heard is only noted
    CATCHING_UP = auto()  # from the log: what is heard is only noted
    LIVE = auto()  # as they are heard
    ENDED = auto()


class Delivery:
    """One socket's way to its user's stream.

    Have it hear the user's events, then `open`, send the welcome, and `start`. It ends itself where it
    cannot go on, and tells `failed` why: `PositionLost`, `ForeignEvent`, or what redis-py raises.
    """

    __slots__ = (
        "_bound", "_catching_up", "_failed", "_has_skipped", "_log", "_noted", "_pace", "_send", "_sink",
        "_types", "_user_id", "cursor", "top",
    )  # fmt: skip

    def __init__(
        self, user_id: str, log: EventLog, sink: Sink, failed: Callable[[Exception], None]
    ) -> None:
        self._user_id = user_id
        self._log = log
        self._sink = sink
        self._send = sink.send
        self._failed = failed
        self._bound = copy_context()  # what is heard comes from a task that serves all sockets
        self._pace = Pace.OPENING
        self._noted = Top("", 0)
        self._types: frozenset[str] | None = None
        self._has_skipped = False  # since the last event that was sent
        self._catching_up: asyncio.Task[None] | None = None
        self.cursor = Cursor("", 0)
        self.top = 0

    async def open(self, asked: Position | None) -> bool | None:
        """Take a place in the stream: after `asked` where that can be served whole, else at its top.

        Returns what `welcome` says as `recovered`.
        """
        position = asked or Position("", 0)
        page = await self._log.read(self._user_id, position.epoch, position.seq, limit=1)
        self.top = page.top
        self.cursor = Cursor(page.epoch, position.seq if page.whole else page.top)
        if asked is None:
            return None
        counters.resumes.labels(str(page.whole).lower()).inc()
        return page.whole

    def start(self) -> None:
        """Send what was missed, then what comes."""
        self._settle("resume")

    def hear(self, record: Record, frame: Frame) -> bool:
        """An event was appended; `frame` is what every socket is sent of it. True where it was sent."""
        if record.owner != self._user_id:
            self._end(self._foreign(record))
        elif self._pace is Pace.LIVE:
            step = self.cursor.advance(record.epoch, record.seq)
            if step is Step.NEXT:
                # What nearly all take: a call less for every event.
                is_plain = self._types is None and not self._has_skipped
                return self._send(frame) if is_plain else self._write(record, frame)
            if step is not Step.DUPLICATE:
                self._note(Top(record.epoch, record.seq))
                self._catch_up("gap")
        else:
            self._note(Top(record.epoch, record.seq))
        return False

    def hear_top(self, top: Top) -> None:
        """The stream ends here: what is missing before is read from the log."""
        self._note(top)
        if self._pace is Pace.LIVE:
            self._settle("gap")

    def select(self, types: frozenset[str] | None) -> None:
        """Send events of these types only; None: of all. What was missed when it was opened comes whole."""
        self._types = types

    @property
    def skipped_to(self) -> int | None:
        """Up to where nothing was sent since the last event, because it was not selected."""
        return self.cursor.seq if self._has_skipped else None

    async def close(self) -> None:
        """Send nothing more."""
        self._pace = Pace.ENDED
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.gather(self._catching_up, return_exceptions=True)

    def _note(self, top: Top) -> None:
        if top.epoch != self._noted.epoch or top.seq > self._noted.seq:
            self._noted = top

    def _behind(self) -> bool:
        """Whether something was heard of that was not sent."""
        noted = self._noted.seq if self._noted.epoch == self.cursor.epoch else 0
        return self.cursor.seq < max(self.top, noted)

    def _settle(self, reason: str) -> None:
        if self._behind() or self._noted.epoch not in ("", self.cursor.epoch):
            self._catch_up(reason)
        else:
            self._pace = Pace.LIVE

    def _catch_up(self, reason: str) -> None:
        self._pace = Pace.CATCHING_UP
        self._catching_up = asyncio.create_task(
            self._read_up(reason), name="catching up", context=self._bound
        )

    async def _read_up(self, reason: str) -> None:
        """Send everything up to the stream's top from the log, then go live."""
        try:
            page = await self._next_page()
            while page.records or self._behind():
                await self._send_page(page, reason)
                page = await self._next_page()
        except Exception as error:  # noqa: BLE001 - reason: an edge: whatever it is, the socket is told and closed
            self._end(error)
        else:
            if self._pace is Pace.CATCHING_UP:
                self._pace = Pace.LIVE

    async def _next_page(self) -> Page:
        noted = self._noted  # what is heard while the log is read may be newer than what it answers
        page = await self._log.read(self._user_id, self.cursor.epoch, self.cursor.seq)
        lost_tail = noted.epoch == page.epoch and noted.seq > page.top
        if not page.whole or (lost_tail and not page.records):
            raise PositionLost(f"after {self.cursor.seq} of {page.top}")
        return page

    async def _send_page(self, page: Page, reason: str) -> None:
        for record in page.records:
            if record.owner != self._user_id:
                raise self._foreign(record)
            await self._sink.room()
            if self.cursor.advance(record.epoch, record.seq) is not Step.NEXT:
                raise PositionLost(f"the log has {record.seq} after {self.cursor.seq}")
            if self._write(record, Frame(event_frame(record.body, record.seq))):
                self._sink.excuse()
                counters.events_recovered.labels(reason).inc()

    def _write(self, record: Record, frame: Frame) -> bool:
        if self._types is not None and self._is_filtered(record):
            counters.events_filtered.inc()
            self._has_skipped = True
            return False
        if self._has_skipped:
            frame = Frame(event_frame(record.body, record.seq, skipped_to=record.seq - 1))
            self._has_skipped = False
        return self._send(frame)

    def _is_filtered(self, record: Record) -> bool:
        """What the socket was promised when it was opened comes whole."""
        is_live = record.seq > self.top
        return is_live and event_type(record.body) not in (self._types or ())

    def _foreign(self, record: Record) -> ForeignEvent:
        counters.events_lost.labels("foreign").inc()
        logger.error("an event of user %s reached a socket of user %s", record.owner, self._user_id)
        return ForeignEvent()

    def _end(self, error: Exception) -> None:
        if self._pace is not Pace.ENDED:
            self._pace = Pace.ENDED
            self._failed(error)
