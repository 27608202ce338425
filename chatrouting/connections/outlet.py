"""How frames leave: written straight to the transport where the server offers it, else by ASGI's `send`.

A server that offers the direct way puts a `DirectWriter` into `scope["extensions"]["chatrouting.direct"]`.
What ASGI sends (accept, close) and what is written directly keep their order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias, cast

from chatrouting import counters
from chatrouting.connections.stepping import Waits, begin
from chatrouting.stream.frames import Frame

logger = logging.getLogger(__name__)

EXTENSION = "chatrouting.direct"

Send: TypeAlias = Callable[[Any], Awaitable[None]]


class DirectWriter(Protocol):
    """What a server offers beside ASGI. Nothing here blocks or raises.

    `held` is called, with how many bytes were written, where the operating system did not take them all.
    """

    held: Callable[[int], None]

    def write(self, frame: Frame) -> None:
        """Send its `wire` by the end of this turn of the loop, unless the socket is closing.

        A patient one may wait for what follows it, so shortly that nobody sees it.
        """
        ...

    def flush(self) -> None:
        """Send now what was written."""
        ...

    def waiting(self) -> int:
        """How many bytes the operating system has not taken yet."""
        ...

    def is_closing(self) -> bool:
        """Whether what is written now is sent to nobody."""
        ...

    def abort(self) -> None:
        """Cut the connection and drop what is waiting."""
        ...


class Outlet(Protocol):
    """Where a socket's frames go."""

    def tell(self, held: Callable[[int], None]) -> None:
        """Call this with how many bytes were written, where some are held for the other side."""
        ...

    def write(self, frame: Frame) -> None:
        """Send without waiting."""
        ...

    def waiting(self) -> int:
        """How many bytes are held for the other side, as far as can be told."""
        ...

    def is_closing(self) -> bool:
        """Whether what was written last, and is written from now on, is known to reach nobody."""
        ...

    def abort(self) -> None:
        """Drop what is waiting; cut the connection where that can be done."""
        ...

    async def finish(self, close: Any) -> None:
        """Send ASGI's close after everything written."""
        ...


class DirectOutlet:
    """Writes the bytes that all sockets of an event share."""

    __slots__ = ("_send", "_writer", "write")

    def __init__(self, writer: DirectWriter, send: Send) -> None:
        self._writer = writer
        self._send = send
        self.write = writer.write

    def tell(self, held: Callable[[int], None]) -> None:
        """As `Outlet`'s."""
        self._writer.held = held

    def waiting(self) -> int:
        """As `Outlet`'s."""
        return self._writer.waiting()

    def is_closing(self) -> bool:
        """As `Outlet`'s."""
        return self._writer.is_closing()

    def abort(self) -> None:
        """As `Outlet`'s."""
        self._writer.abort()

    async def finish(self, close: Any) -> None:
        """As `Outlet`'s."""
        self._writer.flush()
        await self._send(close)


class PortableOutlet:
    """For any ASGI server: `send` is driven by hand, and only one that blocks gets a task and a backlog."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._backlog: deque[Frame] = deque()
        self._bytes = 0
        self._drain: asyncio.Task[None] | None = None
        self._held: Callable[[int], None] | None = None
        self._refused = False

    def tell(self, held: Callable[[int], None]) -> None:
        """As `Outlet`'s."""
        self._held = held

    def write(self, frame: Frame) -> None:
        """As `Outlet`'s. Who is told of what is held stops writing: the backlog itself has no bound."""
        if self._drain is None:
            self._send_now(frame)
        else:
            self._backlog.append(frame)
            self._hold(frame)

    def _hold(self, frame: Frame) -> None:
        self._bytes += len(frame.data)
        if self._held is not None:
            self._held(len(frame.data))

    def _send_now(self, frame: Frame) -> None:
        event = {"type": "websocket.send", "text": frame.text}
        try:
            sending = begin(cast(Coroutine[Any, Any, None], self._send(event)))
        except Exception as error:  # noqa: BLE001 - reason: an edge: the other side is gone
            self._unsent(error)
            return
        if sending is not None:
            self._drain = asyncio.create_task(self._drain_all(sending), name="socket backlog")
            self._hold(frame)

    def waiting(self) -> int:
        """As `Outlet`'s."""
        return self._bytes

    def is_closing(self) -> bool:
        """As `Outlet`'s."""
        return self._refused

    def abort(self) -> None:
        """As `Outlet`'s."""
        self._backlog.clear()
        if self._drain is not None:
            self._drain.cancel()

    async def finish(self, close: Any) -> None:
        """As `Outlet`'s."""
        if self._drain is not None:
            await asyncio.gather(self._drain, return_exceptions=True)
        await self._send(close)

    async def _drain_all(self, sending: Waits[None]) -> None:
        try:
            await sending.done()
            while self._backlog:
                frame = self._backlog.popleft()
                await self._send({"type": "websocket.send", "text": frame.text})
                self._bytes -= len(frame.data)
        except Exception as error:  # noqa: BLE001 - reason: an edge: the other side is gone
            self._unsent(error)
        finally:
            self._bytes, self._drain = 0, None

    def _unsent(self, error: Exception) -> None:
        self._refused = True
        counters.frames_unsent.inc()
        logger.debug("a frame was not taken: %r", error)


def outlet(scope: Mapping[str, Any], send: Send) -> Outlet:
    """The way this server offers."""
    writer = (scope.get("extensions") or {}).get(EXTENSION)
    return PortableOutlet(send) if writer is None else DirectOutlet(writer, send)
