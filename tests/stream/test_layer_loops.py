"""One layer on several event loops, and without one; and what it says of its connection."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync

from tests.stream.layers import SECONDS, make, next_of


@pytest.fixture
async def layer():
    made = make()
    yield made
    await made.flush()


def test_loops_that_follow_each_other_work_and_leave_nothing(services):
    """As management commands and `async_to_sync` use it."""
    layer = make()

    async def round_trip():
        channel = await layer.new_channel()
        await layer.send(channel, {"type": "hello"})
        return await next_of(layer, channel)

    for _ in range(3):
        assert asyncio.run(round_trip()) == {"type": "hello"}
    assert len(layer._loops) == 1  # what is left of the last one goes with the next


def test_threads_with_loops_of_their_own_reach_each_other(services):
    layer, found = make(), []

    async def receives(ready):
        channel = await layer.new_channel()
        ready(channel)
        found.append(await next_of(layer, channel))
        await layer.flush()

    names = []
    named = threading.Event()
    receiver = threading.Thread(
        target=lambda: asyncio.run(receives(lambda name: (names.append(name), named.set())))
    )
    receiver.start()
    assert named.wait(SECONDS)
    async_to_sync(layer.send)(names[0], {"type": "hello"})
    receiver.join(SECONDS)

    assert found == [{"type": "hello"}]


async def test_a_group_is_told_from_where_there_is_no_loop(layer):
    channel = await layer.new_channel()
    await layer.group_add("group", channel)

    await asyncio.to_thread(layer.group_send_now, "group", {"type": "news"})

    assert await next_of(layer, channel) == {"type": "news"}


async def test_hooks_are_called_where_the_connection_is_lost_and_renewed():
    lost, renewed = asyncio.Event(), asyncio.Event()
    made = make(on_disconnect=lost.set, on_reconnect=renewed.set)
    channel = await made.new_channel()
    await made.group_add("group", channel)

    made.here._subscriber._wire.close()
    await asyncio.wait_for(lost.wait(), SECONDS)
    await asyncio.wait_for(renewed.wait(), SECONDS)
    await made.group_send("group", {"type": "news"})

    assert await next_of(made, channel) == {"type": "news"}
    await made.flush()


def hook():
    """What a dotted path names."""


def test_hooks_may_be_dotted_paths():
    made = make(on_reconnect=f"{__name__}.hook")

    assert made.on_reconnect is hook
