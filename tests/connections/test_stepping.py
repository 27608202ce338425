"""What a coroutine does is the same whether a task begins it or it is begun by hand."""

import asyncio

import pytest

from chatrouting.connections.stepping import Waits, begin


async def go_on(work):
    """Begin it by hand; await the rest where it waits."""
    begun = begin(work)
    assert isinstance(begun, Waits)
    return await begun.done()


async def at_once():
    return 7


async def failing():
    raise KeyError("x")


async def later(times=2):
    for _ in range(times):
        await asyncio.sleep(0)
    return await asyncio.to_thread(lambda: 7)


def test_what_does_not_wait_is_done_at_once():
    assert begin(at_once()) == 7


def test_what_it_raises_before_it_waits_is_raised():
    with pytest.raises(KeyError):
        begin(failing())


async def test_what_waits_goes_on_in_its_task():
    assert await go_on(later()) == 7


async def test_what_it_waits_for_may_fail():
    async def waiting():
        with pytest.raises(KeyError):
            await asyncio.create_task(failing())
        return "caught"

    assert await go_on(waiting()) == "caught"


async def test_a_timeout_within_it_works():
    """A cancellation reaches it as such, at its first wait as at any other."""

    async def waiting():
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "late"

    assert await go_on(waiting()) == "late"


async def test_a_cancelled_task_cancels_it():
    seen = []

    async def waiting():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.create_task(go_on(waiting()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert seen == ["cancelled"]
