"""What one socket sends at once is read in turns with what others do."""

import asyncio
from itertools import repeat

from chatrouting.connections.turns import FRAMES, in_turns


async def test_a_socket_that_always_has_more_leaves_others_their_turn():
    """Row 114."""
    frames, turns = repeat("frame"), []

    async def receive():
        return next(frames)

    async def other():
        while True:
            turns.append("mine")
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    read = in_turns(receive)
    for _ in range(10 * FRAMES):
        assert await read() == "frame"
    beside.cancel()
    assert len(turns) == 10
