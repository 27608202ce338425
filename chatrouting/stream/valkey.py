"""This event loop's connection for commands to Valkey.

It never sends a command twice: who appends knows what may be repeated.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from chatrouting.stream.loops import PerLoop
from chatrouting.stream.wire import Argument, Wire, answers, connect


class Valkey:
    """One connection, opened on first use and again after it was lost; many may ask at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wire: Wire | None = None
        self._opening: asyncio.Task[Wire] | None = None
        self._end: AsyncGenerator[None, None] | None = None

    async def wire(self) -> Wire:
        """The open connection. Raises redis-py's errors where there is none to be had."""
        if self._wire is not None and not self._wire.lost.done():
            return self._wire
        if self._end is None:
            self._end = await end_with_loop(self.close)
        if self._opening is None:
            self._opening = asyncio.create_task(
                connect(self._url), name="valkey connection", context=Context()
            )
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def call_all(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send all in one write; answers in order, an exception in place of one that was refused.

        Raises redis-py's `ConnectionError` and `TimeoutError`.
        """
        return await answers(await self.wire(), commands)

    async def call_knowing(
        self, commands: Callable[[str], Sequence[Sequence[Argument]]]
    ) -> list[Any]:
        """As `call_all`, for commands that name the `run_id` of the very server they go to."""
        wire = await self.wire()
        return await answers(wire, commands(wire.server_id))

    async def call(self, *command: Argument) -> Any:
        """Send one command. Raises redis-py's errors, also where Valkey refuses it."""
        (answer,) = await self.call_all([command])
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def close(self) -> None:
        """End the connection; the next command opens another."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._wire is not None:
            self._wire.close()
            await self._wire.lost

    def _opened(self, opening: asyncio.Task[Wire]) -> None:
        self._opening = None
        if not opening.cancelled() and opening.exception() is None:
            self._wire = opening.result()


async def end_with_loop(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None, None]:
    """Have `close` awaited before this event loop ends. Keep what this returns until then.

    Every runner of an event loop ends its asynchronous generators; nothing else is told of the end.
    """

    async def end() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await close()

    kept = end()
    await anext(kept)
    return kept


_clients: PerLoop[dict[str, Valkey]] = PerLoop(dict)


def valkey(url: str = "") -> Valkey:
    """This event loop's connection to a Valkey: the one of the settings, where no other is named."""
    here = _clients.here
    url = url or settings.REDIS_URL
    if url not in here:
        here[url] = Valkey(url)
    return here[url]


async def close_valkey() -> None:
    """Close this loop's connections."""
    for client in (_clients.pop() or {}).values():
        await client.close()
