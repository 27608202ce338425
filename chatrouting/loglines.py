"""Lines of the log, of which a turn of the event loop writes one.

A line with a traceback takes 0.2 ms. Fifty handlers that fail at once would hold up everybody for ten
milliseconds: so what is logged in the same turn as another line is rendered in the turns after it.
"""

import asyncio
import logging
from collections import deque
from contextvars import Context, copy_context
from typing import TextIO

MOST_WAITING = 1_000  # lines; of more, the oldest is written at once


class LineATurn(logging.StreamHandler[TextIO]):
    """Writes the first line of a turn at once and one of the others in each turn that follows.

    What no event loop runs, a thread's lines, are written at once. At the end of the process nothing waits.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._waiting: deque[tuple[Context, logging.LogRecord]] = deque()
        self._turn_of: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """As every handler's: its caller holds the lock."""
        loop = _running_loop()
        if loop is None:
            super().emit(record)
        elif self._turn_of is loop:
            self._waiting.append((copy_context(), record))
            if len(self._waiting) > MOST_WAITING:
                self._write_next()
        else:
            self._turn_of = loop
            super().emit(record)
            loop.call_soon(self._turn, loop)

    def close(self) -> None:
        """Write what is left."""
        self.acquire()
        try:
            while self._waiting:
                self._write_next()
        finally:
            self.release()
        super().close()

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """A turn of this loop has come, unless another has taken over: its own ended, or lines come from both."""
        self.acquire()
        try:
            if self._turn_of is not loop:
                return
            if self._waiting:
                self._write_next()
                loop.call_soon(self._turn, loop)
            else:
                self._turn_of = None
        finally:
            self.release()

    def _write_next(self) -> None:
        """With the ids that were bound where it was logged."""
        bound, record = self._waiting.popleft()
        bound.run(super().emit, record)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
