"""What one socket is sent in a turn of the event loop leaves in one write at its end.

A write costs 7 µs, of which Python's part is one: a frame that leaves with another is almost free. So
pieces of texts that come faster than a page is drawn leave together, too: one that follows another within
the same beat waits for its end. What one agent writes comes more slowly than that, and waits for nothing.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from chatrouting.stream.frames import Frame
from chatrouting.stream.loops import PerLoop

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.03
MOST_JOINED = 64  # frames that wait for one write
PONG_ROOM_BYTES = 1024 * 1024  # where as much waits, a ping has no answer


class JoiningWriter(ABC):
    """A `DirectWriter`, but for what its server does in its own way."""

    __slots__ = ("_has_patient", "_is_due", "_patient_until", "_turn", "_unsent", "held")

    def __init__(self) -> None:
        self.held: Callable[[int], None] = _nobody
        self._unsent: list[bytes] = []
        self._turn = _turns.here
        self._is_due = False
        self._has_patient = False
        self._patient_until = 0.0

    def write(self, frame: Frame) -> None:
        """As `DirectWriter`'s."""
        if not self._is_due:
            if not frame.patient or not self._waits():
                self._is_due = True
                self._turn.end_with(self)
            elif not self._unsent:
                self._turn.end_with_beat(self)
        if frame.patient:
            self._has_patient = True
        self._unsent.append(frame.wire)

    def _waits(self) -> bool:
        """Whether a patient frame has just left, so that the next may wait for what follows it."""
        return self._turn.now() < self._patient_until and len(self._unsent) < MOST_JOINED

    def flush(self) -> None:
        """As `DirectWriter`'s."""
        self._is_due = False
        if not self._unsent:
            return
        if self._has_patient:
            self._has_patient, self._patient_until = False, self._turn.beat_end()
        data, self._unsent = b"".join(self._unsent), []
        if self.put(data):
            self.held(len(data))

    def pong(self, frame: bytes) -> None:
        """Answer a ping now, before the whole frames that are held back: it belongs to none of them.

        Where much waits the other side would not see the answer, and who only asks would have no bound.
        """
        if self.waiting() < PONG_ROOM_BYTES and self.put(frame):
            self.held(len(frame))

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
    """The writers of one event loop that hold something back until the end of this turn, or of this beat."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time
        self._call_soon, self._call_at = loop.call_soon, loop.call_at
        self._writers: list[JoiningWriter] = []
        self._patient: list[JoiningWriter] = []

    def end_with(self, writer: JoiningWriter) -> None:
        """It leaves at the end of this turn."""
        if not self._writers:
            self._call_soon(self._end)
        self._writers.append(writer)

    def end_with_beat(self, writer: JoiningWriter) -> None:
        """It leaves at the end of this beat."""
        if not self._patient:
            self._call_at(self.beat_end(), self._end_beat)
        self._patient.append(writer)

    def beat_end(self) -> float:
        """When this beat ends, by the loop's clock."""
        return (self.now() // BEAT_SECONDS + 1) * BEAT_SECONDS

    def _end(self) -> None:
        writers, self._writers = self._writers, []
        _flush(writers)

    def _end_beat(self) -> None:
        writers, self._patient = self._patient, []
        _flush(writers)


def _flush(writers: Iterable[JoiningWriter]) -> None:
    for writer in writers:
        try:
            writer.flush()
        except Exception:  # an edge: one that cannot be written to keeps no other back
            logger.exception("a socket could not be written to")
            writer.abort()


_turns = PerLoop(_Turn)


def _nobody(written: int) -> None:
    """Until a socket asks to be told."""
