"""What both applications' publishers share: what and when to publish, and what a piece of text is.

A publisher is a process of its own, given the kind of its events and the ids of its users as arguments.
It says `ready`, then reads lines: for a line `50` every user gets 50 more events, one after another, all
users at once; as fast as they can be published, or at the pace of a model.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum

READY = "ready"


class Kind(StrEnum):
    """What is published: events that leave at once, pieces of a text, or a text as a model writes it."""

    EVENT = "events"
    DELTA = "deltas"
    ANSWER = "answer"


# Seconds from one piece of a user's answer to the next, as models write them.
PACE = 0.02


def piece(number: int) -> str:
    """A piece of an answer. It begins with the moment of sending, by the clock all processes share."""
    return f"{time.monotonic_ns()} token {number:05d} "


async def publish_on_demand(
    users: Sequence[Callable[[int], Awaitable[None]]], pace: float = 0.0
) -> None:
    """Publish to these users for as long as lines come. Each is given the number of its next event.

    `pace`: seconds from one event of a user to the next, where they can be published as fast; the users'
    turns are spread over it.
    """
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    numbered = [(publish, itertools.count(1)) for publish in users]
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while line := await reader.readline():
        count, now = int(line), loop.time()
        due = [now + pace * place / len(numbered) for place in range(len(numbered))]
        told = (
            _publish(publish, itertools.islice(numbers, count), Pace(begin, pace))
            for (publish, numbers), begin in zip(numbered, due, strict=True)
        )
        await asyncio.gather(*told)


class Pace:
    """When the next event of a user is due."""

    def __init__(self, begin: float, seconds: float) -> None:
        self._due = begin
        self._seconds = seconds

    async def wait(self) -> None:
        """Wait until then; not at all where that has passed."""
        left = self._due - asyncio.get_running_loop().time()
        if self._seconds and left > 0:
            await asyncio.sleep(left)
        self._due += self._seconds


async def _publish(
    publish: Callable[[int], Awaitable[None]], numbers: Iterable[int], pace: Pace
) -> None:
    for number in numbers:
        await pace.wait()
        await publish(number)
