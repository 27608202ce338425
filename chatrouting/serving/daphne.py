"""daphne, with an orderly end: sockets are told and cleaned up before the process goes."""

import asyncio
import logging
import socket
from typing import Any

from daphne.server import Server
from twisted.internet import defer

from chatrouting.agents.queue import run_queue
from chatrouting.conf import chat_settings
from chatrouting.connections.live import live_connections
from chatrouting.stream.valkey import close_valkey

logger = logging.getLogger(__name__)

NEVER = -1
HANDSHAKE_SECONDS = 20
REQUEST_SECONDS = 1.0
LARGEST_MESSAGE = 1024 * 1024  # bytes; a larger one ends its socket


class DaphneServer(Server):  # type: ignore[misc]  # because daphne has no types
    """A daphne on a socket that listens already. On SIGTERM and SIGINT it drains, then ends."""

    def __init__(self, application: Any, listener: socket.socket) -> None:
        super().__init__(
            application,
            endpoints=[f"fd:fileno={listener.fileno()}"],
            websocket_timeout=NEVER,
            websocket_handshake_timeout=HANDSHAKE_SECONDS,
            websocket_max_message_size=LARGEST_MESSAGE,
            websocket_max_frame_size=LARGEST_MESSAGE,
            ping_interval=20,
            ping_timeout=30,
            verbosity=0,
        )
        self._ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        """Keep the port, to stop listening on it.

        A client whose frames cannot be taken is told so by a close code (1007, 1009), not cut off.
        Origins are judged by `OriginGuard` alone.
        """
        self.ws_factory.setProtocolOptions(failByDrop=False, allowNullOrigin=True)
        self._ports.append(port)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """daphne would let a client name the site's prefix, by a header of its own."""
        scope["root_path"] = self.root_path
        return super().create_application(protocol, scope)

    def kill_all_applications(self) -> Any:
        """Called by the reactor before it stops, and waited for."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        try:
            live_connections().draining = True
            for port in self._ports:
                await defer.maybeDeferred(port.stopListening).asFuture(asyncio.get_running_loop())
            await live_connections().drain(chat_settings().drain_seconds)
            await self._end_requests()
            await run_queue().close()
            await close_valkey()
        except Exception:  # an edge: the process ends in any case, and says what went wrong
            logger.exception("the server did not end in order")

    async def _end_requests(self) -> None:
        """Give pages that are being made a moment, then cut them."""
        running = {
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        }
        if running:
            _, late = await asyncio.wait(running, timeout=REQUEST_SECONDS)
            for application in late:
                application.cancel()
            await asyncio.gather(*late, return_exceptions=True)
