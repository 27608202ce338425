"""Bounds on what a client may do, as plain arithmetic on a clock given from outside."""


class ErrorBudget:
    """At most `limit` errors within any `seconds`. Times are seconds of one monotonic clock."""

    def __init__(self, limit: int, seconds: float = 60) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: list[float] = []  # short, and most sockets have none: a deque takes 700 bytes

    def spend(self, now: float) -> bool:
        """Count an error; False where this one reaches the limit."""
        self._times = [*self._times, now][-self._limit :]
        full = len(self._times) == self._limit
        return not (full and now - self._times[0] < self._seconds)
