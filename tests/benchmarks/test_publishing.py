"""What a publisher does with the lines that it is given."""

import asyncio
import time

from tests.benchmarks.publishing import PACE, Pace


async def test_at_a_pace_the_next_event_waits_for_its_turn():
    began = time.monotonic()
    pace = Pace(asyncio.get_running_loop().time(), PACE)

    for _ in range(4):
        await pace.wait()

    assert time.monotonic() - began >= 3 * PACE


async def test_who_is_late_waits_for_nothing_until_the_pace_is_made_up():
    now = asyncio.get_running_loop().time()
    pace = Pace(now - 100, 10)

    async with asyncio.timeout(5):
        for _ in range(11):
            await pace.wait()


async def test_without_a_pace_nobody_waits():
    pace = Pace(asyncio.get_running_loop().time() + 100, 0)

    async with asyncio.timeout(5):
        await pace.wait()
