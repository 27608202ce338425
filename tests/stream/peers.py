"""Servers that answer in place of Valkey, or stand before it and hold back what it says."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

GREETING = b"$16\r\nrun_id:deadbeef\r\r\n"


class Peer:
    """Listens on a unix socket. `answer` makes bytes of what came; None ends the connection."""

    def __init__(self, path: Any, answer: Callable[[bytes], bytes | None]) -> None:
        self.url = f"unix://{path}"
        self.connections = 0
        self._path = path
        self._answer = answer
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Peer":
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                answer = self._answer(data)
                if answer is None:
                    break
                writer.write(answer)
        writer.close()


class Between:
    """Passes bytes to Valkey and back; nothing back while it is `deaf`."""

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.deaf = False
        self.connections = 0
        self._target = target
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port it listens on."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        valkey_reader, valkey_writer = await asyncio.open_unix_connection(self._target)
        ways = {
            asyncio.create_task(self._pass(reader, valkey_writer, back=False)),
            asyncio.create_task(self._pass(valkey_reader, writer, back=True)),
        }
        self._tasks |= ways
        await asyncio.wait(ways, return_when="FIRST_COMPLETED")
        for way in ways:
            way.cancel()
        for each in (writer, valkey_writer):
            each.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not (back and self.deaf):
                    writer.write(data)
