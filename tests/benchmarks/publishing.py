"""What both applications' publishers share: what and when to publish, and what a piece of text is.

A publisher is a process of its own, given the kind of its events and the ids of its users as arguments.
It says `ready`, then reads lines: for a line `50` every user gets 50 more events, one after another, all
users at once.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

READY = "ready"


class Kind(StrEnum):
    """What is published: events that leave at once, or the pieces of a text."""

    EVENT = "agent_thinking"
    DELTA = "agent_delta"


def piece(number: int) -> str:
    """A piece of an answer. It begins with the moment of sending, by the clock all processes share."""
    return f"{time.monotonic_ns()} token {number:05d} "


async def publish_on_demand(users: Sequence[Callable[[int], Awaitable[None]]]) -> None:
    """Publish to these users for as long as lines come. Each is given the number of its next event."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    numbered = [(publish, itertools.count(1)) for publish in users]
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while line := await reader.readline():
        count = int(line)
        await asyncio.gather(*(_publish(count, *each) for each in numbered))


async def _publish(
    count: int, publish: Callable[[int], Awaitable[None]], numbers: "itertools.count[int]"
) -> None:
    for number in itertools.islice(numbers, count):
        await publish(number)
