"""Things of which every event loop has one."""

import asyncio

from asgiref.sync import async_to_sync

from chatrouting.stream import valkey as clients
from chatrouting.stream.loops import PerLoop
from chatrouting.stream.valkey import valkey


class Thing:
    """Refers to its loop, as connections do."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()


async def test_a_loop_has_one():
    things = PerLoop(Thing)

    assert things.here is things.here
    assert things.here.loop is asyncio.get_running_loop()


async def test_what_is_taken_away_is_made_anew():
    things = PerLoop(Thing)
    first = things.here

    assert things.pop() is first
    assert things.pop() is None
    assert things.here is not first


def test_loops_that_ended_leave_nothing():
    things = PerLoop(Thing)

    async def use():
        return things.here

    found = {id(asyncio.run(use())) for _ in range(20)}

    assert found
    assert len(things) == 1


def test_callers_without_a_loop_leave_no_connection_each(services):
    """`async_to_sync` makes a loop for every call."""

    async def ask():
        return await valkey().call("PING")

    before = len(clients._clients)
    for _ in range(5):
        assert async_to_sync(ask)() == b"PONG"

    assert len(clients._clients) <= before + 1
