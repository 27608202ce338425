"""The server's side of one WebSocket: accepted once, announced before it is closed, what waits bounded."""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto

from asgiref.typing import WebSocketAcceptEvent, WebSocketCloseEvent

from chatrouting import counters
from chatrouting.conf import ChatSettings
from chatrouting.connections.outlet import Outlet, Send
from chatrouting.connections.slowness import slow_sockets
from chatrouting.stream.frames import Frame
from routing_core.closing import CloseCode, bye
from routing_core.envelope import encode_signal

logger = logging.getLogger(__name__)

LOST = 1006
ROOM_BYTES = 256 * 1024
ROOM_LOOK_SECONDS = 0.02
# Times `send_seconds` in which a replay sees nothing leave. The kernel tells of room once a third of its buffer
# has left: of a buffer that has grown that is a megabyte, for which a slow reader takes a minute.
ROOM_PATIENCE = 6


class TooSlow(Exception):
    """The other side reads nothing."""


class State(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    ACCEPTED = auto()
    LIVE = auto()
    CLOSED = auto()


class Socket:
    """What may be sent on a socket, and when. `close_code` says why it ended, once it has.

    Sending never waits. Where more than `waiting_bytes` wait for the other side, or something has waited
    for `send_seconds`, it says bye and calls `slow`, once.
    """

    __slots__ = ("_conf", "_outlet", "_slow", "_to_server", "_write", "close_code", "state")

    def __init__(
        self, outlet: Outlet, send: Send, conf: ChatSettings, slow: Callable[[], None]
    ) -> None:
        outlet.tell(self._hold)
        self._outlet = outlet
        self._write = outlet.write
        self._to_server = send
        self._conf = conf
        self._slow = slow
        self.state = State.CONNECTING
        self.close_code = LOST

    @property
    def is_live(self) -> bool:
        """Whether it is open to messages and events."""
        return self.state is State.LIVE

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is sent."""
        return self.state is State.CLOSED

    async def accept(self) -> None:
        """Take the handshake."""
        accept = WebSocketAcceptEvent(type="websocket.accept", subprotocol=None, headers=[])
        await self._to_server(accept)
        self.state = State.ACCEPTED

    def go_live(self) -> None:
        """Open it to messages and events."""
        self.state = State.LIVE

    def gone(self, code: int = LOST) -> None:
        """The other side has left, or the socket's life is over."""
        if not self.is_closed:
            self.state, self.close_code = State.CLOSED, code
        slow_sockets().forget(self)

    def send(self, frame: Frame) -> bool:
        """Send a frame. False where the socket is closed."""
        if self.state is State.CLOSED:
            counters.frames_unsent.inc()
            return False
        self._write(frame)
        return True

    def answer(self, frame: Frame) -> bool:
        """As `send`; False also where the server is closing the socket by itself, so that nobody gets it."""
        return self.send(frame) and not self._outlet.is_closing()

    def waiting(self) -> int:
        """How many bytes wait for the other side."""
        return self._outlet.waiting()

    def too_slow(self) -> None:
        """Something has waited too long: nothing more is sent but the farewell."""
        if self.say_bye(CloseCode.TOO_SLOW):
            self._slow()

    async def room(self) -> None:
        """Wait until little is waiting. Raises `TooSlow` where nothing leaves for 6 times `send_seconds`."""
        patience = ROOM_PATIENCE * self._conf.send_seconds
        least, since = self.waiting(), _now()
        while self.waiting() > ROOM_BYTES and not self.is_closed:
            await asyncio.sleep(ROOM_LOOK_SECONDS)
            if self.waiting() < least:
                least, since = self.waiting(), _now()
            elif _now() - since > patience:
                raise TooSlow

    def excuse(self) -> None:
        """Let nothing that was written by now count as waiting for too long: a replay has `room` for that.

        What leaves at the end of this turn of the loop is meant, too.
        """
        asyncio.get_running_loop().call_soon(slow_sockets().excuse, self)

    def say_bye(self, code: CloseCode) -> bool:
        """Announce the end and send nothing more; `finish` has to follow. False where it has ended already."""
        if self.state in (State.CONNECTING, State.CLOSED):
            return False
        self._write(Frame(encode_signal(bye(code)).encode()))
        self.gone(code)
        return True

    async def finish(self) -> None:
        """Close. What the other side does not take within `send_seconds` is dropped."""
        close = WebSocketCloseEvent(type="websocket.close", code=int(self.close_code), reason=None)
        try:
            async with asyncio.timeout(self._conf.send_seconds):
                await self._outlet.finish(close)
                while self.waiting():  # noqa: ASYNC110 - reason: servers tell of no such moment
                    await asyncio.sleep(ROOM_LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - reason: an edge: late, or gone already; either way it is over
            logger.debug("a socket was not closed in order: %r", error)
            self._outlet.abort()

    def _hold(self, written: int) -> None:
        """Not all of what was written has left."""
        if self.is_closed:
            return
        if self.waiting() > self._conf.waiting_bytes:
            self.too_slow()
        else:
            slow_sockets().note(self, written, self._conf.send_seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
