"""One device of a person: a socket, and the next one where it is lost, at the place where that stood."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Origin

from chatrouting.testing.client import LARGEST_FRAME, at_position
from chatrouting.testing.frames import Frame, Kind, kind_of, read_frame
from chatrouting.testing.people import Person

OPEN_SECONDS = 20.0
PAUSE_SECONDS = (0.05, 2.0)  # between two tries to come back: the first, and the longest


@dataclass(frozen=True, slots=True)
class Site:
    """Where the sockets of a deployment are, and the origin of its pages."""

    url: str
    origin: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that was shown: when, by the loop's clock, and whether it was a resume that brought it."""

    text: str
    at: float
    recovered: bool


class Refused(Exception):
    """The site closed a socket instead of welcoming it. The text is the reason it gave."""


class Device:
    """Stays connected until it is closed. `shown` is the content of every event, in order of arrival."""

    def __init__(self, person: Person, site: Site) -> None:
        self.shown: list[Shown] = []
        self.cuts = 0
        self.seq = 0
        self._person = person
        self._site = site
        self._epoch = ""
        self._reason = "it was not welcomed"
        self._resumed_to = 0
        self._socket: ClientConnection | None = None
        self._life: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def open(self) -> None:
        """Connect; every event from here on is to be shown.

        Raises `Refused`, and `OSError` or websockets' errors where the site cannot be reached.
        """
        self._socket = await self._connect()
        await self._take_next(self._socket)
        if not self._epoch:
            raise Refused(self._reason)
        self._life = asyncio.create_task(self._live(), name="device")

    def cut(self) -> None:
        """Lose the network without a word; the device comes back by itself."""
        if self._socket is not None:
            self.cuts += 1
            self._socket.transport.abort()

    async def reach(self, seq: int) -> None:
        """Wait until it has been shown everything up to this place."""
        while self.seq < seq:
            self._moved.clear()
            await self._moved.wait()

    async def close(self) -> None:
        """Leave for good. Raises `AssertionError` where the server sent what is no frame of the protocol."""
        if self._socket is not None:
            await self._socket.close()
        if self._life is not None:
            self._life.cancel()
            with suppress(asyncio.CancelledError):
                await self._life

    async def _live(self) -> None:
        pause = PAUSE_SECONDS[0]
        while True:
            if self._socket is None:
                with suppress(OSError, WebSocketException):
                    self._socket = await self._connect()
            if self._socket is not None:
                pause = PAUSE_SECONDS[0]
                with suppress(ConnectionClosed):
                    while True:
                        await self._take_next(self._socket)
                self._socket = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS[1])

    async def _connect(self) -> ClientConnection:
        url = self._site.url
        if self._epoch:
            url = at_position(url, epoch=self._epoch, seq=self.seq)
        return await open_websocket(
            url,
            additional_headers={"Cookie": self._person.cookie},
            origin=Origin(self._site.origin),
            open_timeout=OPEN_SECONDS,
            close_timeout=2,
            max_size=LARGEST_FRAME,
            proxy=None,
        )

    async def _take_next(self, socket: ClientConnection) -> None:
        frame = read_frame(await socket.recv())
        if frame["type"] == "welcome":
            self._welcomed(frame["payload"])
        elif frame["type"] == "bye":
            self._reason = f"{frame['payload']['reason']} ({frame['payload']['code']})"
        elif kind_of(frame) is Kind.EVENT:
            self.seq = frame["seq"]
            now = asyncio.get_running_loop().time()
            text = frame["payload"].get("content", "")
            self.shown.append(Shown(text, now, self.seq <= self._resumed_to))
            self._moved.set()

    def _welcomed(self, welcome: Frame) -> None:
        """What follows, up to its `seq`, is what was missed; all else is gone where it is not whole."""
        self._epoch = welcome["epoch"]
        self._resumed_to = welcome["seq"] if welcome["recovered"] else 0
        if not welcome["recovered"]:
            self.seq = welcome["seq"]
