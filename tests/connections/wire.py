"""The server's side of one socket: it hands frames to the consumer and keeps what comes back."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from chatrouting.connections.consumer import ChatConsumer
from chatrouting.connections.dispatching import chat_dispatcher
from tests.agents.waiting import until
from tests.connections.headers import handshake

SECONDS = 5.0


class Wire:
    """One handshake, from `websocket.connect` on. Leaving ends it as a lost network does.

    A frame whose type is in `holds` sets `held` and is not taken until `go` is set; one whose type is in
    `breaks` raises.
    """

    def __init__(self, cookie: str = "", query: str = "") -> None:
        self.scope = handshake(cookie=cookie, host="chat.example")
        self.scope |= {"query_string": query.encode(), "client": ("192.0.2.1", 4711)}
        self.sent: list[dict[str, Any]] = []
        self.holds: set[str] = set()
        self.breaks: set[str] = set()
        self.go = asyncio.Event()
        self.held = asyncio.Event()
        self._from_client: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._application: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        application: Any = ChatConsumer.as_asgi(dispatcher=chat_dispatcher())
        self._from_client.put_nowait({"type": "websocket.connect"})
        self._application = asyncio.create_task(
            application(self.scope, self._from_client.get, self._take)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.go.set()
        await self.leave()

    async def _take(self, message: dict[str, Any]) -> None:
        kind = self._kind(message)
        if kind in self.breaks:
            raise OSError("the client is gone")
        if kind in self.holds:
            self.held.set()
            await self.go.wait()
        self.sent.append(message)

    def _kind(self, message: dict[str, Any]) -> str:
        text = message.get("text")
        return str(json.loads(text)["type"]) if text else str(message["type"])

    async def leave(self, code: int = 1006) -> None:
        """The client is gone; wait for the consumer's end."""
        assert self._application is not None
        self._from_client.put_nowait({"type": "websocket.disconnect", "code": code})
        await asyncio.wait_for(asyncio.shield(self._application), SECONDS)

    async def ended(self) -> None:
        """Wait until the consumer has ended by itself."""
        assert self._application is not None
        await asyncio.wait_for(asyncio.shield(self._application), SECONDS)

    def say(self, kind: str, **payload: Any) -> None:
        """Send a frame."""
        frame = json.dumps({"type": kind, "id": "m1", "payload": payload})
        self._from_client.put_nowait({"type": "websocket.receive", "text": frame})

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The frames that were sent."""
        return [json.loads(each["text"]) for each in self.sent if each["type"] == "websocket.send"]

    @property
    def shape(self) -> list[str]:
        """What was sent, by type, in order."""
        return [self._kind(each) for each in self.sent]

    @property
    def close_code(self) -> int | None:
        """The code of the close, once it was sent."""
        codes = [each["code"] for each in self.sent if each["type"] == "websocket.close"]
        return codes[0] if codes else None

    async def until(self, kind: str) -> dict[str, Any]:
        """Wait for something of this type, and return it decoded where it is a frame."""

        async def came() -> bool:
            return kind in self.shape

        await until(came, SECONDS)
        found = [frame for frame in self.frames if frame["type"] == kind]
        return found[-1] if found else {}
