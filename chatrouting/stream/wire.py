"""One connection to Valkey: the commands of a loop's turn leave in one write, the answers come in order.

An awaited round trip costs a client 200-300 µs whatever its library, most of it for two wake-ups; a
command among many in one write costs 5 µs.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import hiredis
from redis.asyncio.connection import parse_url
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as NotAnswered

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
MOST_WAITING = 10_000  # commands without an answer
MOST_UNSENT = 64 * 1024 * 1024  # bytes that Valkey has not taken

Argument: TypeAlias = bytes | str | int | float


def _error(text: str) -> RedisError:
    """The exception that an error in an answer stands for, as redis-py names it."""
    if text.startswith("NOSCRIPT"):
        return NoScriptError(text)
    return ResponseError(text)


class Wire(asyncio.Protocol):
    """An open connection. `lost` is done once it ended; then every command still waiting has failed.

    It ends by itself when an answer is late: what came afterwards would be nobody's.
    """

    def __init__(self, on_push: Callable[[Any], None]) -> None:
        self._on_push = on_push
        self._reader = hiredis.Reader(replyError=_error)
        self._unsent: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()  # and when it is late
        self._watch: asyncio.TimerHandle | None = None
        self._is_late = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.server_id = ""

    def send(self, *command: Argument) -> asyncio.Future[Any]:
        """Put a command into this turn's write. The answer may be an exception that redis-py has.

        Raises redis-py's `ConnectionError` where the connection ended, or too much is waiting already.
        """
        self.demand_room(1)
        self.push(*command)
        answer: asyncio.Future[Any] = self._loop.create_future()
        late = self._loop.time() + ANSWER_SECONDS
        self._waiting.append((answer, late))
        if self._watch is None:
            self._watch = self._loop.call_at(late, self._look)
        return answer

    def demand_room(self, commands: int) -> None:
        """Raises redis-py's `ConnectionError` where no room is left for so many that wait."""
        if len(self._waiting) + commands > MOST_WAITING:
            raise NotConnected(f"{MOST_WAITING} commands wait for Valkey's answer")

    def push(self, *command: Argument) -> None:
        """Put a command into this turn's write that is answered by a push, or not at all."""
        if self.lost.done():
            raise NotConnected("the connection to Valkey ended")
        if self._transport.get_write_buffer_size() > MOST_UNSENT:
            raise NotConnected("Valkey does not take what is sent to it")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(cast(Any, command)))

    def close(self) -> None:
        """End the connection. What waits for an answer fails."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: answers, or parts of them."""
        self._reader.feed(data)
        take = self._take if self._waiting else self._on_push
        try:
            while (answer := self._reader.gets()) is not False:
                take(answer)
        except hiredis.HiredisError:  # what answers there does not speak the protocol
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection ended."""
        if not self.lost.done():
            self.lost.set_result(None)
        if self._watch is not None:
            self._watch.cancel()
        while self._waiting:
            _settle(self._waiting.popleft()[0], self._unanswered())

    def _unanswered(self) -> RedisError:
        if self._is_late:
            return NotAnswered("Valkey did not answer in time")
        return NotConnected("the connection to Valkey ended")

    def _look(self) -> None:
        """One timer for all that wait: one for each would cost a tenth of an append."""
        self._watch = None
        if not self._waiting:
            return
        _, late = self._waiting[0]
        if self._loop.time() < late:
            self._watch = self._loop.call_at(late, self._look)
        else:
            self._is_late = True
            self.close()

    def _take(self, answer: Any) -> None:
        if self._waiting:
            _settle(self._waiting.popleft()[0], answer)
        else:
            self._on_push(answer)

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if not future.done():  # its caller has given up
        future.set_result(answer)


async def answers(wire: Wire, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Send all in one write, or none; the answers in order, an exception where Valkey refused one.

    Half of a transaction would leave everything that follows it unanswered. Raises redis-py's
    `ConnectionError` and `TimeoutError`.
    """
    wire.demand_room(len(commands))
    sent = [wire.send(*command) for command in commands]
    found = [await answer for answer in sent]
    for answer in found:
        if isinstance(answer, NotConnected | NotAnswered):
            raise answer
    return found


def _unheard(push: Any) -> None:
    """A push that nobody asked for."""


async def connect(url: str, on_push: Callable[[Any], None] = _unheard) -> Wire:
    """Open a connection to a `redis://`, `rediss://` or `unix://` address, and sign in.

    Raises redis-py's `ConnectionError` and `TimeoutError`.
    """
    place: dict[str, Any] = dict(parse_url(url))
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            wire = await _open(place, on_push)
    except TimeoutError:
        raise NotAnswered("Valkey did not take the connection in time") from None
    except OSError as error:
        raise NotConnected(f"Valkey cannot be reached: {error}") from None
    try:
        await _greet(wire, place)
    except BaseException:
        wire.close()
        raise
    return wire


async def _open(place: dict[str, Any], on_push: Callable[[Any], None]) -> Wire:
    loop = asyncio.get_running_loop()
    if "path" in place:
        _, wire = await loop.create_unix_connection(lambda: Wire(on_push), place["path"])
    else:
        host, port = place.get("host", "localhost"), place.get("port", 6379)
        _, wire = await loop.create_connection(
            lambda: Wire(on_push), host, port, ssl=_tls(place), happy_eyeballs_delay=0.25
        )
    return wire


def _tls(place: dict[str, Any]) -> ssl.SSLContext | None:
    """As the address asks for it: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs=none`."""
    if "connection_class" not in place or "ssl" not in place["connection_class"].__name__.lower():
        return None
    context = ssl.create_default_context(cafile=place.get("ssl_ca_certs"))
    if place.get("ssl_certfile"):
        context.load_cert_chain(place["ssl_certfile"], place.get("ssl_keyfile"))
    if place.get("ssl_cert_reqs") == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _greet(wire: Wire, place: dict[str, Any]) -> None:
    commands: list[tuple[Argument, ...]] = []
    if place.get("password"):
        name = (place["username"],) if place.get("username") else ()
        commands.append(("AUTH", *name, place["password"]))
    if place.get("db"):
        commands.append(("SELECT", place["db"]))
    commands.append(("INFO", "server"))
    *refusals, info = await answers(wire, commands)
    for answer in (*refusals, info):
        if isinstance(answer, RedisError):
            raise NotConnected(f"Valkey refused the connection: {answer}") from answer
    told = info if isinstance(info, bytes) else b""
    wire.server_id = told.partition(b"run_id:")[2].partition(b"\r")[0].decode("ascii", "replace")
    if not wire.server_id:
        raise NotConnected(
            "Valkey does not tell its run_id: the user of REDIS_URL must be allowed INFO"
        )
