"""A socket without a server: what a delivery brings to it."""

import asyncio
import json

from chatrouting.stream.delivery import Delivery, Pace
from chatrouting.stream.frames import Frame
from chatrouting.stream.log import Append
from routing_core.envelope import event_frame
from tests.stream.streams import body, log_of, new_id


class Socket:
    """A user's socket: keeps what it was sent, and why its delivery ended."""

    def __init__(self, user_id=None):
        self.user_id = user_id or new_id()
        self.log = log_of()
        self.frames = []
        self.failures = []
        self.begin()

    def begin(self):
        self.delivery = Delivery(self.user_id, self.log, self, self.failures.append)

    def send(self, frame):
        self.frames.append(json.loads(frame.text))
        return True

    async def room(self):
        """There is always room."""

    def excuse(self):
        """Nothing ever waits here."""

    async def open(self, asked=None):
        recovered = await self.delivery.open(asked)
        self.delivery.start()
        await self.settled()
        return recovered

    def hear(self, record):
        return self.delivery.hear(record, Frame(event_frame(record.body, record.seq)))

    async def heard(self, record):
        """Hear the record and wait until what it leads to is done."""
        self.hear(record)
        await self.settled()

    async def settled(self):
        while self.delivery._pace in (Pace.OPENING, Pace.CATCHING_UP):
            await asyncio.wait_for(asyncio.shield(self.delivery._catching_up), 5)

    @property
    def why(self):
        return [type(failure) for failure in self.failures]

    @property
    def seqs(self):
        return [frame["seq"] for frame in self.frames]

    async def append(self, text="x"):
        (record,) = await self.log.append([Append(self.user_id, body(text))])
        return record
