"""A client that speaks the protocol, for tests on a real server.

Every frame that arrives is checked for its shape and kept in `frames`. Every wait has a bound, and
what fails says which frames came instead.
"""

import asyncio
import itertools
import json
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from chatrouting.testing.frames import Frame, Kind, kind_of, matches, read_frame
from chatrouting.testing.order import check_stream

SHOWN_FRAMES = 12
SHOWN_CHARACTERS = 300
LARGEST_FRAME = 4 * 1024 * 1024


class ProtocolClient:
    """One socket. `seconds` is the longest that any wait may take."""

    def __init__(self, socket: ClientConnection, *, seconds: float = 10) -> None:
        self.frames: list[Frame] = []
        self._socket = socket
        self._seconds = seconds
        # No two sockets use the same id: for one user it would be the same message.
        self._ids = (f"{uuid.uuid4().hex[:8]}-{number}" for number in itertools.count(1))
        self._taken = 0
        self._broken: AssertionError | None = None
        self._came = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        cookie: str = "",
        origin: str | None = None,
        headers: dict[str, str] | None = None,
        seconds: float = 10,
    ) -> Self:
        """Open a socket, without waiting for a frame. `url` carries the position, see `at`.

        Raises `websockets.exceptions.InvalidStatus` where the server refuses before accepting.
        """
        socket = await open_websocket(
            url,
            additional_headers={**({"Cookie": cookie} if cookie else {}), **(headers or {})},
            origin=Origin(origin) if origin else None,
            open_timeout=seconds,
            close_timeout=2,
            ping_interval=None,
            max_size=LARGEST_FRAME,
            proxy=None,
        )
        return cls(socket, seconds=seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the socket in the ordinary way."""
        await self._socket.close()
        await self._reader

    async def drop(self) -> None:
        """End the connection as a lost network does: without a word."""
        self._socket.transport.abort()
        await self._reader

    # What was received.

    @property
    def welcome(self) -> Frame:
        """The payload of the first frame."""
        assert self.frames and self.frames[0]["type"] == "welcome", self._shown()
        payload: Frame = self.frames[0]["payload"]
        return payload

    @property
    def events(self) -> list[Frame]:
        """All events so far, in order of arrival."""
        return [frame for frame in self.frames if kind_of(frame) is Kind.EVENT]

    @property
    def seq(self) -> int:
        """The position this socket has seen."""
        last = self.events[-1:] or [self.welcome]
        return int(last[0]["seq"])

    def of_run(self, run_id: str) -> list[Frame]:
        """The events of one run so far, without `message_added`, which comes before the run."""
        return [
            event
            for event in self.events
            if event.get("run_id") == run_id and event["type"] != "message_added"
        ]

    def signals(self, kind: str) -> list[Frame]:
        """The signals of this type so far."""
        return [
            each for each in self.frames if (kind_of(each), each["type"]) == (Kind.SIGNAL, kind)
        ]

    # What is sent.

    async def send(self, frame: str | bytes) -> None:
        """Send exactly this."""
        await self._socket.send(frame)

    async def send_text_bytes(self, *pieces: bytes) -> None:
        """Send a text message with these bytes, also where they are no UTF-8, in so many frames."""
        await self._socket.send(pieces[0] if len(pieces) == 1 else pieces, text=True)

    async def say(self, kind: str, id: str | None = None, **payload: Any) -> str:
        """Send a message. Returns its id, a fresh one where none is given."""
        chosen = id or next(self._ids)
        frame = {"type": kind, "id": chosen, "payload": payload}
        await self.send(json.dumps(frame, ensure_ascii=False))
        return chosen

    async def ask(self, kind: str, id: str | None = None, **payload: Any) -> Frame:
        """Send a message and return the whole frame that answers it, also where its id was used before."""
        chosen = id or next(self._ids)
        before = len(self.answers(chosen))
        await self.say(kind, chosen, **payload)
        await self.until(lambda: len(self.answers(chosen)) > before, f"an answer to {chosen!r}")
        return self.answers(chosen)[before]

    async def ping(self) -> Frame:
        """One round trip: everything the server had sent before has arrived when this returns."""
        return await self.ask("ping")

    async def answer_to(self, frame: str | bytes) -> Frame:
        """Send exactly this and return the one frame that answers it, whatever its id.

        A ping sent behind it is answered next, so the socket is still usable.
        """
        before = len(self.answers())
        await self.send(frame)
        await self.ping()
        came = self.answers()[before:]
        assert [each["type"] for each in came[1:]] == ["pong"], f"not one answer: {came}"
        return came[0]

    async def socket_ping(self) -> None:
        """A ping of the WebSocket itself and its pong: no frame to the protocol."""
        await (await self._socket.ping())

    # What is waited for.

    async def ready(self) -> Self:
        """Wait for `welcome`."""
        await self.until(lambda: bool(self.frames), "the first frame")
        assert self.welcome
        return self

    async def reply(self, id: str | None) -> Frame:
        """The frame that answers the message with this id: a reply or an error."""
        await self.until(lambda: bool(self.answers(id)), f"an answer to {id!r}")
        return self.answers(id)[-1]

    def answers(self, id: str | None = "") -> list[Frame]:
        """Every answer with this id so far; every answer at all where none is given."""
        answers = (frame for frame in self.frames if kind_of(frame) is Kind.ANSWER)
        return [frame for frame in answers if id in ("", frame["id"])]

    async def expect_event(self, kind: str, **payload: Any) -> Frame:
        """The next event of this type, with these values in its payload, or beside it.

        "Next" is after the one that the last call returned.
        """
        found: list[int] = []

        def there() -> bool:
            found[:] = [
                place
                for place, frame in enumerate(self.frames[self._taken :], self._taken)
                if matches(frame, kind, payload)
            ]
            return bool(found)

        await self.until(there, f"the event {kind} {payload or ''}")
        self._taken = found[0] + 1
        return self.frames[found[0]]

    async def expect_signal(self, kind: str) -> Frame:
        """The last signal of this type, when one has come."""
        await self.until(lambda: bool(self.signals(kind)), f"the signal {kind}")
        return self.signals(kind)[-1]

    async def whole_run(self, run_id: str) -> list[Frame]:
        """Wait for the end of a run, and return all its events on this socket."""
        await self.until(
            lambda: any(each["type"] == "agent_completed" for each in self.of_run(run_id)),
            f"agent_completed of {run_id}",
        )
        return self.of_run(run_id)

    async def at(self, seq: int) -> Self:
        """Wait until this socket has seen the position `seq`."""
        await self.until(lambda: self.seq >= seq, f"seq {seq}")
        return self

    async def closed(self) -> int | None:
        """Wait for the end of the socket, announced or not. Returns its close code."""
        await self.until(self._reader.done, "the close")
        return self._socket.close_code

    async def expect_close(self, code: int, *, seconds: float | None = None) -> Frame:
        """Wait for the close, announced by `bye` with the same code. Returns the payload of `bye`."""
        await self.until(self._reader.done, f"close {code}", seconds)
        assert self._socket.close_code == code, (
            f"closed with {self._socket.close_code}; {self._shown()}"
        )
        assert self.frames, self._shown()
        last = self.frames[-1]
        assert last["type"] == "bye" and last["payload"]["code"] == code, self._shown()
        payload: Frame = last["payload"]
        return payload

    async def assert_silent(self) -> None:
        """Nothing came beside answers since the last `expect_event`, `assert_silent` or `welcome`."""
        pong = await self.ping()
        assert pong["type"] == "pong", self._shown()
        new = (each for each in self.frames[self._taken :] if each["type"] != "welcome")
        came = [each for each in new if kind_of(each) is not Kind.ANSWER]
        assert not came, f"not silent: {came[:SHOWN_FRAMES]}"
        assert pong["payload"]["seq"] == self.seq, f"something is on its way: {pong}"
        self._taken = len(self.frames)

    def check_order(self) -> None:
        """What came on this socket has no gap and no double."""
        check_stream(self.events, after=self._start())

    def _start(self) -> int:
        if self.welcome["recovered"] and self.events:
            return int(self.events[0]["seq"]) - 1
        return int(self.welcome["seq"])

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                self.frames.append(read_frame(text))
                self._came.set()
        except ConnectionClosed:
            pass  # seen by whoever waits: the reader has ended
        except AssertionError as error:
            self._broken = error
        finally:
            self._came.set()

    async def until(
        self, condition: Callable[[], bool], what: str, seconds: float | None = None
    ) -> None:
        """Wait until this holds; it is looked at whenever a frame has come."""
        bound = self._seconds if seconds is None else seconds
        try:
            async with asyncio.timeout(bound):
                while not condition():
                    await self._more(what)
        except TimeoutError:
            raise AssertionError(f"waited {bound} s for {what}; {self._shown()}") from None

    async def _more(self, what: str) -> None:
        if self._broken is not None:
            raise self._broken
        if self._reader.done():
            raise AssertionError(f"closed before {what}; {self._shown()}")
        self._came.clear()
        await self._came.wait()

    def _shown(self) -> str:
        last = [json.dumps(frame)[:SHOWN_CHARACTERS] for frame in self.frames[-SHOWN_FRAMES:]]
        code = f", closed with {self._socket.close_code}" if self._reader.done() else ""
        return f"{len(self.frames)} frames came{code}, the last:\n" + "\n".join(last)


def at_position(url: str, *, epoch: str, seq: int) -> str:
    """The address that asks to resume after this position."""
    return f"{url}?epoch={epoch}&seq={seq}"
