"""A server that speaks OpenAI's chat protocol and says what a test tells it, request by request.

With it the whole way from a question to a real provider's client and back can be walked offline.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}
END = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to one request: pieces one after another, where a number is a pause in seconds.

    Not `whole`: the connection is cut after the last piece.
    """

    pieces: tuple[bytes | float, ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    """A piece of a streamed answer."""
    return _data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def usage(given: int, written: int) -> bytes:
    """What the model counted, as the last piece of a stream tells it."""
    counted = {
        "prompt_tokens": given,
        "completion_tokens": written,
        "total_tokens": given + written,
    }
    return _data({"choices": [], "usage": counted})


def says(*words: str, finish: str = "stop", tokens: tuple[int, int] = (10, 5)) -> Answer:
    """An answer in words, streamed one after another."""
    pieces = [chunk({"content": word}) for word in words]
    return Answer((*pieces, chunk({}, finish), usage(*tokens), END))


def thinks(thought: str, *words: str) -> Answer:
    """An answer after a thought."""
    said = says(*words)
    return Answer((chunk({"reasoning_content": thought}), *said.pieces))


def calls(*called: tuple[str, str], words: str = "", tokens: tuple[int, int] = (10, 5)) -> Answer:
    """Calls of tools in one answer, each a name and the JSON text of its arguments, in two pieces each."""
    pieces = [chunk({"content": words})] if words else []
    for index, (name, arguments) in enumerate(called):
        half = len(arguments) // 2
        first = {"name": name, "arguments": arguments[:half]}
        begun = {"index": index, "id": f"call_{index}", "type": "function", "function": first}
        rest = {"index": index, "function": {"arguments": arguments[half:]}}
        pieces += [chunk({"tool_calls": [begun]}), chunk({"tool_calls": [rest]})]
    return Answer((*pieces, chunk({}, "tool_calls"), usage(*tokens), END))


def refuses(status: int, code: str = "", message: str = "no", **headers: str) -> Answer:
    """A refusal. Underscores in header names stand for hyphens."""
    body = json.dumps({"error": {"message": message, "code": code or None, "type": "x"}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer((body.encode(),), status, {"Content-Type": "application/json", **named})


def cut(*pieces: bytes | float) -> Answer:
    """The beginning of an answer, and then a lost connection."""
    return Answer(pieces, whole=False)


class ModelServer:
    """Listens while it is entered. `requests` holds the bodies that came, `left` is set once a client
    went before its answer was whole."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.left = asyncio.Event()
        self._answers: deque[Answer] = deque()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What `OPENAI_BASE_URL` is to be."""
        assert self._server is not None, "the server is not entered"
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}/v1"

    def will(self, *answers: Answer) -> None:
        """Answer the next requests so, in this order."""
        self._answers.extend(answers)

    def close(self) -> None:
        """Take no more requests."""
        if self._server is not None:
            self._server.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._take(reader)
            answer = self._answers.popleft() if self._answers else refuses(400, "unscripted")
            await self._answer(answer, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value
            for name, _, value in (line.partition(": ") for line in head.split("\r\n"))
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.keys.append(headers.get("authorization", "").removeprefix("Bearer "))
        self.requests.append(json.loads(body))

    async def _answer(
        self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        headers = {"Content-Type": "text/event-stream", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Answer')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["Transfer-Encoding: chunked", "Connection: close", "", ""]
        writer.write("\r\n".join(lines).encode())
        for piece in answer.pieces:
            if isinstance(piece, float):
                await _pause(reader, piece)
            else:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
        if answer.whole:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


async def _pause(reader: asyncio.StreamReader, seconds: float) -> None:
    """Raises `ConnectionError` where the client goes."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except TimeoutError:
        return
    raise ConnectionResetError


def _data(payload: Mapping[str, Any]) -> bytes:
    whole = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "test", **payload}
    return b"data: %s\n\n" % json.dumps(whole).encode()
