"""From the reader to the handlers: in order of arrival, bounded, closed in time."""

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from chatrouting.connections.inbox import Inbox


class Desk:
    """Serves what comes, one after another; waits where it is told to."""

    def __init__(self, limit=4):
        self.served = []
        self.at_once = self.most_at_once = 0
        self.open = asyncio.Event()
        self.open.set()
        self.inbox = Inbox(self.serve, limit)

    async def serve(self, item):
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await self.open.wait()
        self.at_once -= 1
        self.served.append(item)


async def test_messages_are_served_in_order_of_arrival():
    """Row 35: messages of one connection are answered in order of arrival."""
    desk = Desk(100)

    taken = [desk.inbox.put(number) for number in range(100)]
    await desk.inbox.close(5)

    assert all(taken)
    assert desk.served == list(range(100))


async def test_one_is_served_at_a_time():
    desk = Desk(50)
    for number in range(50):
        desk.inbox.put(number)
    await desk.inbox.close(5)

    assert desk.most_at_once == 1


async def test_no_more_than_the_limit_are_unanswered():
    desk = Desk(3)
    desk.open.clear()

    taken = [desk.inbox.put(number) for number in range(5)]
    await asyncio.sleep(0)
    desk.open.set()
    await desk.inbox.close(5)

    assert taken == [True, True, True, False, False]
    assert desk.served == [0, 1, 2]


async def test_one_that_is_being_served_counts():
    desk = Desk(1)
    desk.open.clear()
    desk.inbox.put("first")
    await asyncio.sleep(0)

    assert not desk.inbox.put("second")
    desk.open.set()
    await desk.inbox.close(5)


async def test_there_is_room_again_once_one_is_answered():
    desk = Desk(1)
    for number in range(3):
        assert desk.inbox.put(number)
        await desk.inbox.close(5)

    assert desk.served == [0, 1, 2]


async def test_one_that_raises_does_not_keep_the_next():
    served = []

    async def serve(item):
        if item == 0:
            raise OSError
        served.append(item)

    inbox = Inbox(serve, 2)
    inbox.put(0)
    await inbox.close(1)

    assert inbox.put(1)
    await inbox.close(1)
    assert served == [1]


async def test_closing_lets_what_was_taken_be_done():
    desk = Desk()
    desk.open.clear()
    desk.inbox.put("slow")
    asyncio.get_running_loop().call_later(0.02, desk.open.set)

    await desk.inbox.close(5)

    assert desk.served == ["slow"]


async def test_closing_gives_up_in_time():
    desk = Desk()
    desk.open.clear()
    desk.inbox.put("stuck")
    began = time.monotonic()

    await desk.inbox.close(0.05)

    assert time.monotonic() - began < 1
    assert desk.inbox._server.done()


async def test_closing_what_was_never_used_does_nothing():
    await Desk().inbox.close(1)


@given(st.lists(st.sampled_from(["put", "turn", "stop", "go"]), max_size=60))
@settings(max_examples=50, deadline=None)
async def test_whatever_comes_is_served_once_and_in_order(steps):
    desk, taken, number = Desk(3), [], 0
    for step in steps:
        if step == "put":
            number += 1
            if desk.inbox.put(number):
                taken.append(number)
            else:
                assert len(taken) - len(desk.served) == 3
        elif step == "turn":
            await asyncio.sleep(0)
        else:
            (desk.open.clear if step == "stop" else desk.open.set)()
    desk.open.set()
    await desk.inbox.close(5)

    assert desk.served == taken
