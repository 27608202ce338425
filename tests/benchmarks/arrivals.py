"""Counts events as they come to sockets, and wakes who waits for a number of them."""

import asyncio
import re
import time

GIVE_UP_SECONDS = 5.0
PIECE = re.compile(rb"(\d+) token \d+ ")
NANOSECONDS_IN_MS = 1e6


class Arrivals:
    """Events of which `copies` come, to as many sockets. One that came to all of them is complete."""

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.count = 0
        self.complete = 0
        self.latencies_ms: list[float] = []
        self._came: dict[int, int] = {}
        self._wanted = 0
        self._enough = asyncio.Event()

    def begin(self) -> None:
        """Count from nought again."""
        self.count = self.complete = 0
        self.latencies_ms = []
        self._came.clear()

    def take(self, number: int, frame: bytes) -> None:
        """One copy of the event with this number came; it counts as often as it has pieces of text."""
        ages = ages_ms(frame)
        self.count += len(ages)
        came = self._came.pop(number, 0) + 1
        if came < self.copies:
            self._came[number] = came
            return
        self.complete += len(ages)
        self.latencies_ms += ages
        if self.complete >= self._wanted:
            self._enough.set()

    async def until(self, complete: int) -> bool:
        """Wait for so many complete events. False where nothing at all came for `GIVE_UP_SECONDS`."""
        self._wanted = complete
        while self.complete < complete:
            before = self.count
            self._enough.clear()
            try:
                await asyncio.wait_for(self._enough.wait(), GIVE_UP_SECONDS)
            except TimeoutError:
                if self.count == before:
                    return False
        return True


def ages_ms(frame: bytes) -> list[float]:
    """How long ago each piece of text in this frame was written, in ms."""
    now = time.monotonic_ns()
    return [(now - int(written)) / NANOSECONDS_IN_MS for written in PIECE.findall(frame)]
