"""The server's side of one WebSocket: accepted once, announced before it is closed, every write bounded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

from asgiref.typing import WebSocketAcceptEvent, WebSocketCloseEvent, WebSocketSendEvent

from chatrouting import counters
from chatrouting.conf import chat_settings
from routing_core.closing import CloseCode, bye
from routing_core.envelope import encode_signal

logger = logging.getLogger(__name__)

LOST = 1006


class State(Enum):
    """Where a socket is in its life."""

    CONNECTING = auto()
    ACCEPTED = auto()
    LIVE = auto()
    CLOSED = auto()


class Socket:
    """What may be sent on a socket, and when. `close_code` says why it ended, once it has."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._to_server = send
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

    async def send(self, frame: str) -> None:
        """Send a frame; one that the other side does not take in time closes the socket."""
        if self.is_closed:
            counters.frames_unsent.inc()
        elif not await self._write(frame):
            await self.end(CloseCode.TOO_SLOW)

    async def end(self, code: CloseCode) -> None:
        """Say bye and close, once."""
        if self.state in (State.CONNECTING, State.CLOSED):
            return
        self.state, self.close_code = State.CLOSED, code
        await self._write(encode_signal(bye(code)))
        await self._to_server(
            WebSocketCloseEvent(type="websocket.close", code=int(code), reason=None)
        )

    async def _write(self, frame: str) -> bool:
        """Hand the frame to the server; False where it does not take it in time."""
        event = WebSocketSendEvent(type="websocket.send", text=frame, bytes=None)
        try:
            async with asyncio.timeout(chat_settings().send_seconds):
                await self._to_server(event)
        except Exception as error:  # noqa: BLE001 - reason: late, or gone: told apart below
            counters.frames_unsent.inc()
            logger.debug("a frame was not taken: %r", error)
            return not isinstance(error, TimeoutError)
        return True
