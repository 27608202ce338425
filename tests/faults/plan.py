"""Which faults happen, and when: decided by the seed alone, so that a run can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PAUSE_SECONDS = (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, how long to wait before it, and the seed of what it chooses for itself."""

    kind: str
    pause: float
    seed: int


def faults(seed: int, kinds: Sequence[str]) -> Iterator[Fault]:
    """Rounds without an end: in each, every kind once, in another order."""
    chance = random.Random(seed)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            yield Fault(kind, chance.uniform(*PAUSE_SECONDS), chance.getrandbits(32))
