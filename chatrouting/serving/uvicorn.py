"""uvicorn: frames are written straight to its transports, read as they are asked for, and it ends in order."""

import asyncio
import socket
from types import FrameType
from typing import Any, cast

from uvicorn import Config, Server
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from chatrouting.connections.outlet import EXTENSION
from chatrouting.serving.draining import begin_drain, drain
from chatrouting.serving.joining import JoiningWriter

LARGEST_MESSAGE = 1024 * 1024  # bytes; a larger one ends its socket
NOT_UTF8 = 1007
PONG = b"\x8a"  # how one begins
PIECE_BYTES = 512  # of what has come: so many are looked at, at a time
TURN_BYTES = 16 * 1024  # and so many in a turn of the loop
FAREWELL_SECONDS = 1.0
FAREWELL_LOOK_SECONDS = 0.05


class UvicornWriter(JoiningWriter):
    """Writes to the transport of uvicorn's protocol."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def put(self, data: bytes) -> int:
        """As `JoiningWriter`'s."""
        protocol = self._protocol
        transport = protocol.transport
        if protocol.close_sent or transport.is_closing():
            return 0
        transport.write(data)
        return transport.get_write_buffer_size()

    def waiting(self) -> int:
        """As `DirectWriter`'s."""
        return self._protocol.transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """As `DirectWriter`'s."""
        protocol = self._protocol
        return protocol.close_sent or protocol.transport.is_closing()

    def abort(self) -> None:
        """As `DirectWriter`'s."""
        self._protocol.transport.abort()


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which offers the application to write directly.

    It stops reading while a frame waits for the application. What one read has brought may be thousands of
    frames: they are looked at when they are asked for, a few at a time, so that others have their turn. So
    have they beside pings and the like, which no application asks for.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._unseen, self._seen = b"", 0
        self._is_due = False
        self._heard_at = 0.0
        self._writer = UvicornWriter(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came, and look at it as far as is asked for."""
        self._heard_at = self.loop.time()
        self._unseen, self._seen = self._unseen[self._seen :] + data, 0
        self._look()

    def _look(self) -> None:
        """Until a frame waits for the application; of one that is closed only the end is looked for."""
        end = min(self._seen + TURN_BYTES, len(self._unseen))
        while self._seen < end and self._wants():
            begin, self._seen = self._seen, self._seen + PIECE_BYTES
            super().data_received(self._unseen[begin : self._seen])
        if self._wants():
            self._go_on()

    def _wants(self) -> bool:
        wanted = self.queue.empty() or self.close_sent
        return wanted and not self.transport.is_closing()

    def _go_on(self) -> None:
        """Look at the rest in another turn; read on where there is none."""
        if self._seen < len(self._unseen):
            self._pause()
            if not self._is_due:
                self._is_due = True
                self.loop.call_soon(self._take_turn)
        elif self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _pause(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _take_turn(self) -> None:
        self._is_due = False
        self._look()

    async def receive(self) -> Any:
        """The next of the frames that have come; read on where none has."""
        self._look()
        return await self.queue.get()

    def handle_ping(self) -> None:
        """Answer in the application's way, so that it knows what waits."""
        for frame in self.conn.data_to_send():
            if frame.startswith(PONG):
                self._writer.pong(frame)
            else:  # a close that came behind the ping is answered, too
                self.transport.write(frame)

    def keepalive_timeout(self) -> None:
        """A pong may be behind what else was sent: whoever is heard is there."""
        if self._heard_at > self.ping_sent_at:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    async def run_asgi(self) -> None:
        """Offer the direct way to the application."""
        cast(Any, self.scope)["extensions"][EXTENSION] = self._writer
        await super().run_asgi()

    def send_receive_event_to_app(self) -> None:
        """Text that is not UTF-8 ends the socket with 1007; uvicorn would write a traceback beside it."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.conn.send_close(NOT_UTF8)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """After our close its answer is looked for, which may stand behind many frames."""
        await super().send(message)
        if self.close_sent:
            self._look()


class UvicornServer(Server):
    """A uvicorn on a socket that listens already. On SIGTERM and SIGINT it drains, then ends."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        super().__init__(
            Config(
                application,
                ws=DirectProtocol,
                ws_max_size=LARGEST_MESSAGE,
                ws_ping_interval=20,
                ws_ping_timeout=30,
                ws_per_message_deflate=False,
                lifespan="off",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._listener = listener

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        super().run(sockets or [self._listener])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, with exit code 0; uvicorn would raise the signal again in the end."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, take leave of every socket, then end as uvicorn does."""
        begin_drain()
        for server in self.servers:
            server.close()
        await drain()
        await self._end_untaken()
        await super().shutdown(sockets)

    async def _end_untaken(self) -> None:
        """Cut off clients that do not take their farewell; uvicorn would wait, and log a failure of each."""
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self._untaken():  # noqa: ASYNC110 - reason: transports tell of no such moment
                    await asyncio.sleep(FAREWELL_LOOK_SECONDS)
        except TimeoutError:
            for protocol in self._untaken():
                protocol.transport.abort()

    def _untaken(self) -> list[DirectProtocol]:
        sockets = [
            each for each in self.server_state.connections if isinstance(each, DirectProtocol)
        ]
        return [each for each in sockets if each.transport.get_write_buffer_size()]
