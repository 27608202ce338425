"""A client that takes the handshake and then reads nothing, until it is told to."""

import asyncio
import json
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from chatrouting.testing.people import Person
from chatrouting.testing.system import Web

WINDOW = 4096
BEAT_SECONDS = 1.0


class Mute:
    """A socket of this person. `frames` are what it read, decoded; `code` is how it was closed."""

    def __init__(self, web: Web, person: Person, url: str = "") -> None:
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self._url = url or web.url
        self._headers = {"Origin": web.origin, "Cookie": person.cookie}
        self._protocol = ClientProtocol(parse_uri(self._url), max_size=None)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self._socket.setblocking(False)

    async def __aenter__(self) -> Self:
        address = urlsplit(self._url)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, (address.hostname, address.port))
        request = self._protocol.connect()
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        await self._flush()
        await self.read(lambda: bool(self.frames))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def say(self, kind: str, id: str, **payload: Any) -> None:
        """Send a message and read nothing."""
        text = json.dumps({"type": kind, "id": id, "payload": payload}).encode()
        data = Frame(Opcode.TEXT, text).serialize(mask=True)
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def beat(self, seconds: float) -> None:
        """Send heartbeats for so long, or until the server has gone, and read nothing."""
        async with asyncio.timeout(seconds * 3):
            for number in range(int(seconds / BEAT_SECONDS)):
                try:
                    await self.say("heartbeat", f"beat-{number}")
                except OSError:
                    return
                await asyncio.sleep(BEAT_SECONDS)

    async def read(self, until: Callable[[], bool], seconds: float = 30) -> None:
        """Read until this holds, or the server has closed."""
        async with asyncio.timeout(seconds):
            while not until() and (data := await self._receive()):
                self._protocol.receive_data(data)
                for event in self._protocol.events_received():
                    if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        self.frames.append(json.loads(event.data))
                await self._flush()
            if not until():
                self._protocol.receive_eof()
            self.code = self._protocol.close_code

    async def _receive(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._socket, 65_536)
        except ConnectionResetError:
            return b""

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
