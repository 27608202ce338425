"""From the reader of a socket to its handlers: bounded, one after another, in order of arrival."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Messages that were read and are not answered yet, `limit` at most; one task serves them."""

    __slots__ = ("_limit", "_serve", "_server", "_unanswered", "_waiting")

    def __init__(self, serve: Callable[[T], Awaitable[None]], limit: int) -> None:
        self._serve = serve
        self._limit = limit
        self._unanswered = 0
        self._waiting: list[T] = []  # short, and most sockets have none: a deque takes 700 bytes
        self._server: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything taken was answered."""
        return not self._unanswered

    def put(self, item: T) -> bool:
        """Take a message; False where too many are unanswered."""
        if self._unanswered >= self._limit:
            return False
        self._unanswered += 1
        self._waiting.append(item)
        if self._server is None or self._server.done():
            self._server = asyncio.create_task(self._serve_all(), name="inbox")
        return True

    async def close(self, seconds: float) -> list[T]:
        """Let what was taken be done, for so long at most; then give up on the rest, and return it."""
        if self._server is not None:
            await asyncio.wait({self._server}, timeout=seconds)
            self._server.cancel()
            await asyncio.gather(self._server, return_exceptions=True)
        left, self._waiting = self._waiting, []
        return left

    async def _serve_all(self) -> None:
        while self._waiting:
            try:
                await self._serve(self._waiting.pop(0))
            finally:
                self._unanswered -= 1
