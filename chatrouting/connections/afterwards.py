"""What a page's request does to sessions is told to sockets when its answer is on its way.

A password change renews the session's key. Were its sockets closed at once, the browser would try
again with the cookie it still has, and sign its person out.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

logger = logging.getLogger(__name__)

Ring = Callable[[], None]
GetResponse = Callable[[HttpRequest], Any]

ANSWER_SECONDS = 0.5  # for the answer to reach the browser; sockets close within 2 s of the act


class Held:
    """The rings of one request, until it is let go."""

    def __init__(self) -> None:
        self._rings: list[Ring] | None = []
        self._lock = threading.Lock()  # views run in threads

    def keep(self, ring: Ring) -> bool:
        """Whether it was kept; not where the rings were let go already."""
        with self._lock:
            if self._rings is None:
                return False
            self._rings.append(ring)
            return True

    def let_go(self) -> list[Ring]:
        """The rings so far; nothing is kept any more."""
        with self._lock:
            rings, self._rings = self._rings or [], None
            return rings


_held: ContextVar[Held | None] = ContextVar("held", default=None)
_telling: set[asyncio.Task[None]] = set()


def keep(ring: Ring) -> bool:
    """Keep it until the answer is on its way; False where there is none to wait for."""
    held = _held.get()
    return held is not None and held.keep(ring)


@sync_and_async_middleware
def tell_afterwards(get_response: GetResponse) -> GetResponse:
    """Middleware, the first of all: nothing else of the answer is then left to do.

    Where the client leaves before, its view may still be at work: what that has to tell is told at once.
    """
    if not iscoroutinefunction(get_response):
        return get_response

    async def answered(request: HttpRequest) -> Any:
        if not isinstance(request, ASGIRequest):  # its event loop ends with the answer
            return await get_response(request)
        held = Held()
        token = _held.set(held)
        try:
            return await get_response(request)
        finally:
            _held.reset(token)
            rings = held.let_go()
            if rings:
                task = asyncio.create_task(_tell(rings))
                _telling.add(task)
                task.add_done_callback(_telling.discard)

    return answered


async def _tell(rings: Sequence[Ring]) -> None:
    await asyncio.sleep(ANSWER_SECONDS)
    for ring in rings:
        await sync_to_async(told, thread_sensitive=False)(ring)  # a ring waits for Valkey


def told(ring: Ring) -> None:
    """Ring; what cannot be told now, the sweep finds."""
    try:
        ring()
    except Exception:  # an edge: signing out must work also where nobody can be told
        logger.exception("the sockets of an ended session were not told; the sweep will find them")
