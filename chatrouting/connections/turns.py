"""A socket's share of the event loop: of many frames that are there at once, a few are read at a time."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

FRAMES = 16  # of one socket, before others have their turn

Receive = Callable[[], Awaitable[Any]]


def in_turns(receive: Receive) -> Receive:
    """The same, but others have their turn after every few.

    A queue that is not empty gives without waiting: a client that sends faster than it is served would
    else hold up all others, and the answers of Valkey with them.
    """
    count = itertools.count(1)

    async def next_one() -> Any:
        if next(count) % FRAMES == 0:
            await asyncio.sleep(0)
        return await receive()

    return next_one
