"""How long a socket has said nothing."""

import asyncio
import time

from chatrouting.connections.silence import Silence


async def test_who_says_nothing_is_told_of_once_its_time_is_over():
    """Row 6."""
    told = asyncio.Event()
    began = time.monotonic()

    Silence(0.1, told.set).watch()

    await asyncio.wait_for(told.wait(), 2)
    assert time.monotonic() - began >= 0.1


async def test_every_word_begins_the_time_anew():
    told = asyncio.Event()
    silence = Silence(0.1, told.set)
    silence.watch()
    began = time.monotonic()

    while time.monotonic() - began < 0.5:
        silence.heard()
        await asyncio.sleep(0.01)

    assert not told.is_set()
    silence.stop()


async def test_what_came_while_the_process_stood_still_is_read_first():
    told = asyncio.Event()
    silence = Silence(0.05, told.set)
    silence.watch()

    time.sleep(0.2)  # noqa: ASYNC251 - reason: the whole loop stands still
    asyncio.get_running_loop().call_later(0.02, silence.heard)
    await asyncio.sleep(0.04)

    assert not told.is_set()
    await asyncio.wait_for(told.wait(), 2)


async def test_nobody_is_told_after_the_stop():
    told = asyncio.Event()
    silence = Silence(0.02, told.set)
    silence.watch()

    silence.stop()

    await asyncio.sleep(0.1)
    assert not told.is_set()
