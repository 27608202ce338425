"""Small database calls of one kind, made together: one transaction for twenty instead of twenty."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from chatrouting.database import in_database

K = TypeVar("K")
R = TypeVar("R")

LARGEST = 100


class Batches(Generic[K, R]):
    """Calls that come while others are served wait for them, and then are served together.

    One that comes alone is served at once: nobody waits for company. As many wait as call: whoever calls has
    a bound of its own (handlers, runs).
    """

    def __init__(self, function: Callable[[Sequence[K]], Mapping[K, R] | None]) -> None:
        """`function` is called in a database thread, with `LARGEST` keys at most and each of them once."""
        self._function = function
        self._waiting: list[tuple[K, asyncio.Future[R | None]]] = []
        self._server: asyncio.Task[None] | None = None

    async def call(self, key: K) -> R | None:
        """What the function says of this key; None where it says nothing.

        Of those that ask for one key at the same time one gets the answer, the others None. Raises what
        `in_database` raises, to all that were served together.
        """
        answer: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._server is None or self._server.done():
            self._server = asyncio.create_task(self._serve_all(), name="batches")
        return await answer

    async def _serve_all(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
            keys = list(dict.fromkeys(key for key, _ in asked))
            try:
                found = await in_database(self._answers, keys)
            except Exception as error:  # noqa: BLE001 - reason: not handled but passed on
                for _, answer in _open(asked):
                    answer.set_exception(error)
            else:
                for key, answer in _open(asked):
                    answer.set_result(found.pop(key, None))

    def _answers(self, keys: Sequence[K]) -> dict[K, R]:
        return dict(self._function(keys) or ())


def _open(asked: list[tuple[K, "asyncio.Future[R]"]]) -> list[tuple[K, "asyncio.Future[R]"]]:
    """Those whose callers have not given up."""
    return [each for each in asked if not each[1].done()]
