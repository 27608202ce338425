"""What there is once an event loop: connections and tasks belong to the loop that made them."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One thing for each event loop that asks, forgotten once its loop has ended.

    Things refer to their loop, so that weak references to loops would forget none of them: the next
    loop that begins finds those that were closed.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._things: dict[asyncio.AbstractEventLoop, T] = {}

    def __len__(self) -> int:
        return len(self._things)

    @property
    def here(self) -> T:
        """That of this event loop, made on first use."""
        loop = asyncio.get_running_loop()
        try:
            return self._things[loop]
        except KeyError:
            self._forget_ended()
            thing = self._things[loop] = self._make()
            return thing

    def _forget_ended(self) -> None:
        for loop in list(self._things):
            if loop.is_closed():
                self._things.pop(loop, None)

    def pop(self) -> T | None:
        """Take that of this event loop away; None where it made none."""
        return self._things.pop(asyncio.get_running_loop(), None)
