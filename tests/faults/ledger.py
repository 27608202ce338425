"""What devices were sent, and what is wrong with it."""

import json
from collections import Counter
from dataclasses import dataclass, field

from chatrouting.testing.frames import Frame


@dataclass(slots=True)
class Segment:
    """Events that a device was sent without a break: after `start`, of one epoch."""

    epoch: str
    start: int
    events: list[Frame] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """Up to where it has seen the stream."""
        return int(self.events[-1]["seq"]) if self.events else self.start


@dataclass
class Ledger:
    """Everything that arrived for one user. `wrong` counts what must not be: lost, doubled, crossed."""

    user_id: str
    canary: str
    delivered: int = 0
    recovered: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    shown: list[str] = field(default_factory=list)
    bodies: dict[tuple[str, int], str] = field(default_factory=dict)

    def blame(self, what: str, how: object) -> None:
        """Something is wrong."""
        self.wrong[what] += 1
        self.shown.append(f"user {self.user_id}: {what}: {str(how)[:300]}")

    def look(self, text: str, canaries: frozenset[str]) -> None:
        """No frame holds a word of another user."""
        found = [canary for canary in canaries if canary in text and canary != self.canary]
        if found:
            self.blame("crossed", text)

    def take(self, segment: Segment, event: Frame) -> None:
        """An event came; it follows the one before, and is the same on every device."""
        if event["seq"] <= segment.seq:
            self.blame("doubled", f"{event['seq']} after {segment.seq}")
            return
        if event["seq"] > segment.seq + 1:
            self.blame("lost", f"{event['seq']} after {segment.seq}")
        segment.events.append(event)
        self.delivered += 1
        self.agree(segment.epoch, event)

    def agree(self, epoch: str, event: Frame) -> None:
        """What stands at a place of the stream is the same for everybody who looks."""
        body = json.dumps(event, sort_keys=True)
        if self.bodies.setdefault((epoch, event["seq"]), body) != body:
            self.blame("crossed", f"two events at {event['seq']}: {body}")

    def close(self, segment: Segment, epoch: str, kept: list[Frame]) -> None:
        """All is quiet: what the device has is what the log holds after its start, to the end."""
        if segment.epoch != epoch:
            self.blame("lost", f"a device stands in epoch {segment.epoch}, the stream in {epoch}")
            return
        for event in kept:
            self.agree(epoch, event)
        missing = {event["seq"] for event in kept if event["seq"] > segment.start}
        missing -= {event["seq"] for event in segment.events}
        for seq in sorted(missing):
            self.blame("lost", f"seq {seq} of {kept[-1]['seq']} never came")
