"""Messages of one socket that are refused because too many come.

Each is answered. The log has one line of all that are refused for one reason in a while, and their errors
carry its trace id. Beyond a pace the socket is not read: what its client sends then waits with the client.
"""

import asyncio
import functools
import logging
from dataclasses import dataclass

from chatrouting.chat.context import Context
from routing_core.dispatch import Answer, Dispatcher, Incoming
from routing_core.errors import RoutingError
from routing_core.limits import Pace, Rate

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 10.0  # that one line of the log speaks of
PACE = Rate(per_second=250, burst=100)  # of one person's refusals in a process
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0  # much shorter than the silence that ends a socket


@dataclass(slots=True)
class _Window:
    """What a line of the log speaks of, and how many came after it."""

    trace_id: str
    until: float
    more: int = 0


class Refusals:
    """Those of one socket."""

    __slots__ = ("_dispatcher", "_windows")

    def __init__(self, dispatcher: Dispatcher[Context]) -> None:
        self._dispatcher = dispatcher
        self._windows: dict[type[RoutingError], _Window] = {}

    def refuse(self, incoming: Incoming[Context], error: RoutingError) -> Answer:
        """The error that answers a message."""
        now, window = _now(), self._windows.get(type(error))
        if window is not None and now < window.until:
            window.more += 1
            return self._dispatcher.refuse_again(incoming, error, window.trace_id)
        self._tell(error.code, window)
        self._windows[type(error)] = _Window(incoming.trace_id, now + WINDOW_SECONDS)
        return self._dispatcher.refuse(incoming, error)

    def close(self) -> None:
        """Tell the log of the last."""
        while self._windows:
            kind, window = self._windows.popitem()
            self._tell(kind.code, window)

    def _tell(self, code: str, window: _Window | None) -> None:
        if window is not None and window.more:
            logger.info("trace %s: %d more messages got %s", window.trace_id, window.more, code)


async def pause(user_id: str) -> None:
    """Wait until this person's refusals are no more than the pace, after one of them."""
    seconds = _pace().delay(user_id, _now())
    if seconds >= SHORTEST_PAUSE_SECONDS:
        await asyncio.sleep(min(seconds, LONGEST_PAUSE_SECONDS))


@functools.cache
def _pace() -> Pace:
    """That of this process."""
    return Pace(PACE)


def _now() -> float:
    return asyncio.get_running_loop().time()
