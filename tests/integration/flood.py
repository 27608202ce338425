"""A client that sends as fast as it is told to, and costs the machine little beside the server."""

import asyncio
import re
from collections import Counter
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

ROUND_SECONDS = 0.005
WHAT_CAME = re.compile(rb'"code":"([a-z_]+)"|\{"type":"(test.shown|heartbeat_ack|bye)"')


class Flooder:
    """One socket. `came` counts what was answered, by code or type; the tail of the last read may wait."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came: Counter[str] = Counter()
        self._writer = writer
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def connect(cls, url: str, headers: dict[str, str]) -> "Flooder":
        """Open a socket, as a browser does."""
        address = urlsplit(url)
        protocol = ClientProtocol(parse_uri(url))
        request = protocol.connect()
        request.headers.update(headers)
        protocol.send_request(request)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.writelines(protocol.data_to_send())
        async with asyncio.timeout(10):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    async def send(self, kind: str, a_second: int, stop: asyncio.Event) -> int:
        """Send so many frames a second until it is set, none while the other side does not read. How many."""
        frame = Frame(Opcode.TEXT, b'{"type":"%s","id":"f"}' % kind.encode()).serialize(mask=True)
        loop, due, said = asyncio.get_running_loop(), 0, 0
        began = loop.time()
        while not stop.is_set():
            due, before = int((loop.time() - began + ROUND_SECONDS) * a_second), due
            if not self._writer.transport.get_write_buffer_size():
                self._writer.write(frame * (due - before))
                said += due - before
            await asyncio.sleep(ROUND_SECONDS)
        return said

    async def press(self, text: bytes, seconds: float) -> int:
        """Send this text for so long, as fast as the other side takes it. How many bytes left."""
        frames = Frame(Opcode.TEXT, text).serialize(mask=True) * 16
        loop, sent = asyncio.get_running_loop(), 0
        end = loop.time() + seconds
        while loop.time() < end:
            if not self._writer.transport.get_write_buffer_size():
                self._writer.write(frames)
                sent += len(frames)
            await asyncio.sleep(0.001)
        return sent

    async def answered(self, count: int, seconds: float = 20) -> Counter[str]:
        """Wait until so many answers have come."""
        async with asyncio.timeout(seconds):
            while self.came.total() < count:  # noqa: ASYNC110 - reason: an event a frame would cost more
                await asyncio.sleep(ROUND_SECONDS)
        return self.came

    async def close(self) -> None:
        """End the connection."""
        self._reading.cancel()
        self._writer.close()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while data := await reader.read(262_144):
            lines, _, rest = (rest + data).rpartition(b"}}")
            for code, kind in WHAT_CAME.findall(lines):
                self.came[(code or kind).decode()] += 1
