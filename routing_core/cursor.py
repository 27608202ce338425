"""A socket's place in its user's stream."""

from dataclasses import dataclass
from enum import Enum, auto


class Step(Enum):
    """What an event that arrives means to a cursor."""

    NEXT = auto()
    DUPLICATE = auto()
    GAP = auto()
    LOST = auto()


@dataclass(slots=True)
class Cursor:
    """Everything up to `seq` of the stream `epoch` was sent on this socket."""

    epoch: str
    seq: int

    def advance(self, epoch: str, seq: int) -> Step:
        """Take the event's position. Only `NEXT` moves the cursor.

        `GAP`: events between are missing and stand in the log. `LOST`: the stream was begun anew,
        so this position means nothing in it.
        """
        if epoch != self.epoch:
            return Step.LOST
        if seq <= self.seq:
            return Step.DUPLICATE
        if seq > self.seq + 1:
            return Step.GAP
        self.seq = seq
        return Step.NEXT
