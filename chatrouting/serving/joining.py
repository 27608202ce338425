"""What one socket is sent in a turn of the event loop leaves in one write at its end.

A write costs 7 µs, of which Python's part is one: a frame that leaves with another is almost free.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from chatrouting.stream.loops import PerLoop

logger = logging.getLogger(__name__)


class JoiningWriter(ABC):
    """A `DirectWriter`, but for what its server does in its own way."""

    __slots__ = ("_turn", "_unsent", "held")

    def __init__(self) -> None:
        self.held: Callable[[int], None] = _nobody
        self._unsent: list[bytes] = []
        self._turn = _turns.here

    def write(self, frame: bytes) -> None:
        """As `DirectWriter`'s."""
        if not self._unsent:
            self._turn.end_with(self)
        self._unsent.append(frame)

    def flush(self) -> None:
        """As `DirectWriter`'s."""
        if not self._unsent:
            return
        data, self._unsent = b"".join(self._unsent), []
        if self.put(data):
            self.held(len(data))

    @abstractmethod
    def put(self, data: bytes) -> int:
        """Hand it to the operating system as far as that takes it; keep the rest. Nothing where it is closing.

        Returns how many bytes wait now.
        """

    @abstractmethod
    def waiting(self) -> int:
        """As `DirectWriter`'s."""

    @abstractmethod
    def is_closing(self) -> bool:
        """As `DirectWriter`'s."""

    @abstractmethod
    def abort(self) -> None:
        """As `DirectWriter`'s."""


class _Turn:
    """The writers of one event loop that hold something back until the end of this turn."""

    def __init__(self) -> None:
        self._call_soon = asyncio.get_running_loop().call_soon
        self._writers: list[JoiningWriter] = []

    def end_with(self, writer: JoiningWriter) -> None:
        if not self._writers:
            self._call_soon(self._end)
        self._writers.append(writer)

    def _end(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            try:
                writer.flush()
            except (
                Exception
            ):  # an edge: a socket that cannot be written to keeps no other from its frames
                logger.exception("a socket could not be written to")
                writer.abort()


_turns = PerLoop(_Turn)


def _nobody(written: int) -> None:
    """Until a socket asks to be told."""
