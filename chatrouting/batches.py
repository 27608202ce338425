"""Small database calls of one kind, made together: one transaction for twenty instead of twenty."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from chatrouting.database import in_database
from chatrouting.outages import log_failure
from routing_core.errors import Overloaded

K = TypeVar("K")
R = TypeVar("R")

logger = logging.getLogger(__name__)

LARGEST = 100
MOST_WAITING = 10_000


class Batches(Generic[K, R]):
    """Calls that come while others are served wait for them, and then are served together.

    One that comes alone is served at once: nobody waits for company. No more wait than `MOST_WAITING`.
    """

    def __init__(
        self,
        function: Callable[[Sequence[K]], Mapping[K, R] | None],
        largest: int = LARGEST,
        *,
        to_all: bool = False,
        seconds: float | None = None,
    ) -> None:
        """`function` is called in a database thread, with so many keys at most and each of them once.

        `to_all`: whoever asks for one key at the same time is answered; else one of them, and the others None.
        `seconds`: how long a call takes at most; None where whoever calls has a bound of its own.
        """
        self._function = function
        self._largest = largest
        self._to_all = to_all
        self._seconds = seconds
        self._waiting: list[tuple[K, asyncio.Future[R | None]]] = []
        self._server: asyncio.Task[None] | None = None

    async def call(self, key: K) -> R | None:
        """What the function says of this key; None where it says nothing.

        Raises what `in_database` raises, to all that were served together; and to one that is too many, or
        waits for too long, `Overloaded` and `TimeoutError` as well.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise Overloaded(retry_after_ms=1_000)
        async with asyncio.timeout(self._seconds):
            return await self._put(key)

    def note(self, key: K) -> None:
        """As `call`, but nobody waits for it: what fails, or is too much, is logged and left to a sweep."""
        if len(self._waiting) < MOST_WAITING:
            self._put(key).add_done_callback(_heard)
        else:
            logger.warning("%s is left to the sweep: too many wait", key)

    def _put(self, key: K) -> "asyncio.Future[R | None]":
        answer: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._server is None or self._server.done():
            self._server = asyncio.create_task(self._serve_all(), name="batches", context=Context())
        return answer

    async def _serve_all(self) -> None:
        while self._waiting:
            asked = self._waiting[: self._largest]
            del self._waiting[: self._largest]
            keys = list(dict.fromkeys(key for key, _ in asked))
            try:
                found = await in_database(self._answers, keys)
            except Exception as error:  # noqa: BLE001 - reason: not handled but passed on
                for _, answer in _open(asked):
                    answer.set_exception(error)
            else:
                take: Callable[..., R | None] = found.get if self._to_all else found.pop
                for key, answer in _open(asked):
                    answer.set_result(take(key, None))

    def _answers(self, keys: Sequence[K]) -> dict[K, R]:
        return dict(self._function(keys) or ())


def _open(asked: list[tuple[K, "asyncio.Future[R]"]]) -> list[tuple[K, "asyncio.Future[R]"]]:
    """Those whose callers have not given up."""
    return [each for each in asked if not each[1].done()]


def _heard(answer: "asyncio.Future[R]") -> None:
    """Log a failure of what nobody waits for."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log_failure(logger, "what was to be noted is left to the sweep", error)
