"""How long a socket has said nothing."""

import asyncio
from collections.abc import Callable

LAST_LOOK_SECONDS = 0.2


class Silence:
    """Calls `too_long` once nothing was heard for `seconds`. Begun by `watch`, ended by `stop`.

    What came while this process itself stood still is read first: hence a second, last look.
    """

    __slots__ = ("_heard_at", "_seconds", "_timer", "_too_long")

    def __init__(self, seconds: float, too_long: Callable[[], None]) -> None:
        self._seconds = seconds
        self._too_long = too_long
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Begin to count."""
        self.heard()
        self._look()

    def heard(self) -> None:
        """Something came."""
        self._heard_at = asyncio.get_running_loop().time()

    def stop(self) -> None:
        """Tell nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, last: bool = False) -> None:
        loop = asyncio.get_running_loop()
        left = self._seconds - (loop.time() - self._heard_at)
        if left > 0:
            self._timer = loop.call_later(left, self._look)
        elif not last:
            self._timer = loop.call_later(LAST_LOOK_SECONDS, self._look, True)
        else:
            self._too_long()
