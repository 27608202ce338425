"""Bounds on what a client may do, as plain arithmetic on a clock given from outside."""

from collections import deque


class ErrorBudget:
    """At most `limit` errors within any `seconds`. Times are seconds of one monotonic clock."""

    def __init__(self, limit: int, seconds: float = 60) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit)

    def spend(self, now: float) -> bool:
        """Count an error; False where this one reaches the limit."""
        self._times.append(now)
        full = len(self._times) == self._limit
        return not (full and now - self._times[0] < self._seconds)
