"""A real proxy in front of Valkey that cuts connections, as a network does."""

import asyncio
from collections import Counter
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Listens on a unix socket and passes bytes to Valkey's.

    While `cuts` are left, a request that holds `word` reaches Valkey where `deliver` is set, and its
    connection is closed instead of being answered. `seen` counts the requests that held a word.
    """

    def __init__(self, target: str, socket: str, word: bytes, *, deliver: bool) -> None:
        self.cuts = 0
        self.seen: Counter[bytes] = Counter()
        self._target = target
        self._socket = socket
        self._word = word
        self._deliver = deliver
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._connected, self._socket)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        if self._served:  # each ends with its client's connection
            await asyncio.wait(self._served, timeout=5)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        valkey_reader, valkey_writer = await asyncio.open_unix_connection(self._target)
        answers = asyncio.create_task(_pass_on(valkey_reader, writer))
        try:
            await self._requests(reader, valkey_reader, valkey_writer, answers)
        finally:
            answers.cancel()
            writer.close()
            valkey_writer.close()
            await asyncio.gather(
                answers, writer.wait_closed(), valkey_writer.wait_closed(), return_exceptions=True
            )

    async def _requests(
        self,
        reader: asyncio.StreamReader,
        valkey_reader: asyncio.StreamReader,
        valkey_writer: asyncio.StreamWriter,
        answers: "asyncio.Task[None]",
    ) -> None:
        while data := await reader.read(65536):
            if self._word in data:
                self.seen[self._word] += 1
                if self.cuts:
                    self.cuts -= 1
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    if self._deliver:
                        valkey_writer.write(data)
                        await valkey_reader.read(1)  # Valkey has done it; nobody is told
                    return
            valkey_writer.write(data)
            await valkey_writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
