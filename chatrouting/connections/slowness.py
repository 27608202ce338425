"""What waits for sockets that read slowly: noticed by its size at once, by its age within a second."""

import asyncio
import logging
from collections import deque
from contextvars import Context
from dataclasses import dataclass, field
from typing import Protocol

from chatrouting.stream.loops import PerLoop

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0


class Waiting(Protocol):
    """A socket that bytes may wait for."""

    def waiting(self) -> int:
        """How many bytes wait now."""
        ...

    def too_slow(self) -> None:
        """Something has waited for too long."""
        ...


@dataclass(slots=True)
class _Marks:
    """How much had been written at which moment: what was written before the oldest mark has left.

    Of the bytes up to `marked` it is known since when they wait, or they are excused.
    """

    written: int = 0
    marked: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=deque)

    def oldest(self, now: float, waiting: int) -> float:
        """How long the oldest byte that still waits, and is not excused, has waited, in seconds, to one tick."""
        if self.marked < self.written:
            self.marks.append((now, self.written))
            self.marked = self.written
        left = self.written - waiting
        while self.marks and self.marks[0][1] <= left:
            self.marks.popleft()
        return now - self.marks[0][0] if self.marks else 0.0


class SlowSockets:
    """The sockets of one event loop that bytes wait for; one task looks at them, and ends with the last."""

    def __init__(self) -> None:
        self._marks: dict[Waiting, _Marks] = {}
        self._watch: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._marks)

    def note(self, socket: Waiting, written: int, seconds: float) -> None:
        """So many bytes were written and did not leave at once; tell the socket if some wait too long."""
        if socket not in self._marks:
            self._marks[socket] = _Marks(written=socket.waiting())
        else:
            self._marks[socket].written += written
        if self._watch is None or self._watch.done():
            looking = self._look(seconds)
            self._watch = asyncio.create_task(looking, name="slow sockets", context=Context())

    def excuse(self, socket: Waiting) -> None:
        """Nothing that was written since the last look counts as waiting."""
        marks = self._marks.get(socket)
        if marks is not None:
            marks.marked = marks.written

    def forget(self, socket: Waiting) -> None:
        """The socket ended."""
        self._marks.pop(socket, None)

    async def _look(self, seconds: float) -> None:
        while self._marks:
            await asyncio.sleep(min(TICK_SECONDS, seconds / 4))
            now = asyncio.get_running_loop().time()
            for socket, marks in list(self._marks.items()):
                waiting = socket.waiting()
                if waiting == 0:
                    self.forget(socket)
                elif marks.oldest(now, waiting) >= seconds:
                    self.forget(socket)
                    socket.too_slow()


_slow = PerLoop(SlowSockets)


def slow_sockets() -> SlowSockets:
    """Those of this event loop."""
    return _slow.here
