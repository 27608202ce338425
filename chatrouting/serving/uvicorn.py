"""uvicorn: frames are written straight to its transports, and it ends in order."""

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


class UvicornWriter(JoiningWriter):
    """Writes to the transport of uvicorn's protocol."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def put(self, data: bytes) -> None:
        """As `JoiningWriter`'s."""
        protocol = self._protocol
        transport = protocol.transport
        if not protocol.close_sent and not transport.is_closing():
            transport.write(data)

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
    """uvicorn's WebSocket protocol, which offers the application to write directly."""

    async def run_asgi(self) -> None:
        """Offer the direct way to the application."""
        cast(Any, self.scope)["extensions"][EXTENSION] = UvicornWriter(self)
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
        """A close must not wait for a client that reads nothing: it stands behind what was written."""
        self.writable.set()
        await super().send(message)


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
        await super().shutdown(sockets)
