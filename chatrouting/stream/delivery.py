"""From a user's stream to one socket: in order, no gap, no double, nobody else's."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chatrouting import counters
from chatrouting.stream.log import EventLog, Page, Record
from routing_core.cursor import Cursor, Step
from routing_core.envelope import event_frame

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


class Delivery:
    """One socket's way to its user's stream.

    Call `open`, then send the welcome, then `replay`; from then on `deliver` whatever the bell tells.
    The bell must have been subscribed to before `open`, so that nothing falls between.
    """

    def __init__(self, user_id: str, log: EventLog, send: Callable[[str], Awaitable[None]]) -> None:
        self._user_id = user_id
        self._log = log
        self._send = send
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

    async def replay(self) -> None:
        """Send what was missed up to the top seen by `open`, at the reader's pace."""
        while self.cursor.seq < self.top:
            await self._send_page(await self._next_page(), "resume")

    async def deliver(self, record: Record) -> None:
        """Send one event that the bell told of, or what is missing before it.

        Raises `PositionLost` or `ForeignEvent`: the socket must be closed.
        """
        self._demand_own(record)
        step = self.cursor.advance(record.epoch, record.seq)
        if step is Step.NEXT:
            await self._write(record)
        elif step is Step.GAP:
            await self.catch_up("gap")
        elif step is Step.LOST:
            raise PositionLost(f"epoch {record.epoch} instead of {self.cursor.epoch}")

    async def catch_up(self, reason: str) -> None:
        """Send everything up to the stream's top from the log."""
        page = await self._next_page()
        while page.records:
            await self._send_page(page, reason)
            page = await self._next_page()

    async def _next_page(self) -> Page:
        page = await self._log.read(self._user_id, self.cursor.epoch, self.cursor.seq)
        if not page.whole:
            raise PositionLost(f"after {self.cursor.seq} of {page.top}")
        return page

    async def _send_page(self, page: Page, reason: str) -> None:
        for record in page.records:
            self._demand_own(record)
            if self.cursor.advance(record.epoch, record.seq) is not Step.NEXT:
                raise PositionLost(f"the log has {record.seq} after {self.cursor.seq}")
            await self._write(record)
            counters.events_recovered.labels(reason).inc()

    async def _write(self, record: Record) -> None:
        await self._send(event_frame(record.body, record.seq))
        counters.events_delivered.inc()

    def _demand_own(self, record: Record) -> None:
        if record.owner != self._user_id:
            counters.events_lost.labels("foreign").inc()
            logger.error(
                "an event of user %s reached a socket of user %s", record.owner, self._user_id
            )
            raise ForeignEvent
