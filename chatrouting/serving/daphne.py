"""daphne: frames are written straight to its sockets, read as they are asked for, and it ends in order."""

import asyncio
import contextlib
import logging
import socket
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import defer

from chatrouting.connections.consumer import longest_clean_up
from chatrouting.connections.outlet import EXTENSION
from chatrouting.serving.draining import begin_drain, drain
from chatrouting.serving.joining import JoiningWriter

logger = logging.getLogger(__name__)

NEVER = -1
HANDSHAKE_SECONDS = 20
CLOSE_SECONDS = 10
NOTICE_SECONDS = 5  # until the application hears that its client is gone
REQUEST_SECONDS = 1.0
LARGEST_MESSAGE = 1024 * 1024  # bytes; a larger one ends its socket
PACED = "chatrouting.paced"
FRAMES = 16  # of one socket, that wait for the application
PONG = 0x8A


class DaphneWriter(JoiningWriter):
    """Writes to the socket itself while nothing is buffered before it, else to Twisted's buffer.

    `transport.write` would cost 55 µs a frame, ASGI's `send` 80, `socket.send` 12.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: Any) -> None:
        super().__init__()
        self._protocol = protocol

    def put(self, data: bytes) -> int:
        """As `JoiningWriter`'s."""
        if self.is_closing():
            return 0
        transport = self._protocol.transport
        sent = 0
        if not self.waiting():
            with contextlib.suppress(OSError):  # full, or gone: the transport finds out which
                sent = transport.socket.send(data)
        if sent == len(data):
            return 0
        transport.write(data[sent:] if sent else data)
        return self.waiting()

    def waiting(self) -> int:
        """As `DirectWriter`'s. Twisted keeps what waits for one that is gone."""
        transport = self._protocol.transport
        if transport.disconnected:
            return 0
        buffered: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return buffered

    def is_closing(self) -> bool:
        """As `DirectWriter`'s."""
        closing: bool = self._protocol.state != WebSocketServerProtocol.STATE_OPEN
        return closing

    def abort(self) -> None:
        """As `DirectWriter`'s."""
        self._protocol.transport.abortConnection()


class PacedProtocol(WebSocketProtocol):  # type: ignore[misc]  # because daphne has no types
    """daphne's WebSocket protocol, which takes no frame off its socket while enough wait for the application."""

    writer: DaphneWriter | None = None  # the application's way, where it has one
    _held = False

    def onPing(self, payload: bytes) -> None:
        """Answer in the application's way, so that it knows what waits."""
        if self.writer is None:
            super().onPing(payload)
        else:
            self.writer.pong(bytes((PONG, len(payload))) + payload)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A frame. What comes after our close is for nobody."""
        if self.state != self.STATE_OPEN:
            return
        super().onMessage(payload, isBinary)
        if self.application_queue.qsize() >= FRAMES and not self._held:
            self._held = True
            self.transport.pauseProducing()

    def processData(self) -> bool:
        """Whether there may be more in what was read."""
        return not self._held and bool(super().processData())

    def sendCloseFrame(self, *args: Any, **more: Any) -> None:
        """Then the other side's close is waited for, which may stand behind many frames."""
        super().sendCloseFrame(*args, **more)
        self.go_on()

    async def receive(self) -> Any:
        """What comes next, for the application."""
        if self._held and self.application_queue.empty():
            self.go_on()
        return await self.application_queue.get()

    def go_on(self) -> None:
        """Read on, from what was read already and then from the socket."""
        if self._held:
            self._held = False
            self.consumeData()
        if not self._held:
            self.transport.resumeProducing()


class DaphneServer(Server):  # type: ignore[misc]  # because daphne has no types
    """A daphne on a socket that listens already. On SIGTERM and SIGINT it drains, then ends."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        super().__init__(
            self._apply,
            endpoints=[f"fd:fileno={listener.fileno()}"],
            websocket_timeout=NEVER,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            application_close_timeout=NOTICE_SECONDS + longest_clean_up(),
            websocket_max_message_size=LARGEST_MESSAGE,
            websocket_max_frame_size=LARGEST_MESSAGE,
            ping_interval=20,
            ping_timeout=30,
            verbosity=0,
        )
        self._application = application
        self._ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        """Keep the port, to stop listening on it.

        A client whose frames cannot be taken is told so by a close code (1007, 1009), not cut off.
        Origins are judged by `OriginGuard` alone.
        """
        self.ws_factory.protocol = PacedProtocol
        self.ws_factory.setProtocolOptions(
            failByDrop=False, allowNullOrigin=True, closeHandshakeTimeout=CLOSE_SECONDS
        )
        self._ports.append(port)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """daphne would let a client name the site's prefix, by a header of its own."""
        scope["root_path"] = self.root_path
        if scope["type"] == "websocket":
            scope["extensions"] = {PACED: protocol.receive}
            if hasattr(protocol.transport, "socket"):
                scope["extensions"][EXTENSION] = protocol.writer = DaphneWriter(protocol)
        return super().create_application(protocol, scope)

    async def _apply(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Sockets give their frames as they are asked for: daphne's own queue has no bound."""
        paced = scope.get("extensions", {}).pop(PACED, receive)
        await self._application(scope, paced, send)

    def kill_all_applications(self) -> Any:
        """Called by the reactor before it stops, and waited for."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._end()))

    async def _end(self) -> None:
        begin_drain()
        for port in self._ports:
            await defer.maybeDeferred(port.stopListening).asFuture(asyncio.get_running_loop())
        await self._end_requests()
        await drain()

    async def _end_requests(self) -> None:
        """Give pages that are being made a moment, then cut them."""
        running = {
            details["application_instance"]
            for protocol, details in self.connections.items()
            if "application_instance" in details
            and getattr(protocol, "application_type", "") != "websocket"
        }
        if running:
            _, late = await asyncio.wait(running, timeout=REQUEST_SECONDS)
            for application in late:
                application.cancel()
            await asyncio.gather(*late, return_exceptions=True)
