"""A device: it keeps its place in the stream and comes back to it, whatever happens to its socket."""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Origin

from chatrouting.testing.client import LARGEST_FRAME, at_position
from chatrouting.testing.frames import Frame, Kind, kind_of, read_frame
from chatrouting.testing.people import Person
from chatrouting.testing.system import Web
from tests.faults.ledger import Ledger, Segment

BEAT_SECONDS = 2.0
BACKOFF_SECONDS = (0.05, 0.4)
GONE = (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError)
FOREIGN = {4000, 4003, 4005, 4006, 4010, 4401}  # closes that no fault explains


class Device:
    """One of a user's. `latencies` pairs the moment of an arrival with the time the event took."""

    def __init__(self, person: Person, ledger: Ledger, canaries: frozenset[str]) -> None:
        self.segment: Segment | None = None
        self.latencies: list[tuple[float, float]] = []
        self.closes: Counter[int] = Counter()
        self._person = person
        self._ledger = ledger
        self._canaries = canaries
        self._opened: ClientConnection | None = None
        self._socket: ClientConnection | None = None  # once it was welcomed
        self._answers: dict[str, asyncio.Future[Frame]] = {}
        self._ids = (f"beat-{number}" for number in itertools.count())
        self._welcome_seq = 0

    async def live(self, webs: Callable[[], list[Web]], chance: random.Random) -> None:
        """Connect to any of the processes, again and again, for ever."""
        while True:
            try:
                await self._connected(chance.choice(webs()))
            except GONE:
                self.closes[0] += 1
            await asyncio.sleep(chance.uniform(*BACKOFF_SECONDS))

    async def ask(self, kind: str, id: str, **payload: Any) -> Frame | None:
        """Send a message; its answer, or None where the socket ends before it comes."""
        if self._socket is None:
            return None
        answer = self._answers[id] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send(json.dumps({"type": kind, "id": id, "payload": payload}))
            async with asyncio.timeout(8):
                return await answer
        except (*GONE, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not answer.cancelled():
                raise
            return None
        finally:
            self._answers.pop(id, None)

    async def _connected(self, web: Web) -> None:
        since = self.segment
        url = at_position(web.url, epoch=since.epoch, seq=since.seq) if since else web.url
        async with connect(
            url, additional_headers={"Cookie": self._person.cookie}, origin=Origin(web.origin),
            open_timeout=5, close_timeout=1, ping_interval=None, max_size=LARGEST_FRAME, proxy=None,
        ) as socket:  # fmt: skip
            self._opened = socket
            beating = asyncio.create_task(self._beat(socket))
            try:
                async for text in socket:
                    self._take(read_frame(text))
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
                self._ended(socket.close_code)

    def _ended(self, code: int | None) -> None:
        self._socket = None
        self.closes[code or 1006] += 1
        if code in FOREIGN:
            self._ledger.blame("closed", code)
        for answer in self._answers.values():
            answer.cancel()

    async def _beat(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                frame = {"type": "heartbeat", "id": next(self._ids), "payload": {}}
                await socket.send(json.dumps(frame))

    def _take(self, frame: Frame) -> None:
        self._ledger.look(json.dumps(frame), self._canaries)
        if frame["type"] == "welcome":
            self._welcomed(frame["payload"])
        elif kind_of(frame) is Kind.EVENT and self.segment is not None:
            self._event(frame)
        elif kind_of(frame) is Kind.ANSWER:
            answer = self._answers.get(frame["id"] or "")
            if answer is not None and not answer.done():
                answer.set_result(frame)

    def _event(self, frame: Frame) -> None:
        assert self.segment is not None
        if frame["seq"] <= self._welcome_seq:
            self._ledger.recovered += 1
        else:
            now, then = time.time(), datetime.fromisoformat(frame["ts"]).timestamp()
            self.latencies.append((now, now - then))
        self._ledger.take(self.segment, frame)

    def _welcomed(self, welcome: Frame) -> None:
        if welcome["user_id"] != self._person.user_id:
            self._ledger.blame("crossed", welcome)
        if not welcome["recovered"]:  # first, or to be loaded anew: what follows begins at the top
            self.segment = Segment(welcome["epoch"], welcome["seq"])
        elif self.segment is not None and welcome["epoch"] != self.segment.epoch:
            self._ledger.blame("lost", "recovered in another epoch")
        self._welcome_seq = welcome["seq"]
        self._socket = self._opened
