"""When an event has come to all of its sockets."""

import asyncio
import time

import pytest

from tests.benchmarks import arrivals
from tests.benchmarks.arrivals import Arrivals, age_ms
from tests.benchmarks.publishing import piece


def a_frame():
    return f'{{"seq":1,"type":"agent_delta","payload":{{"text":"{piece(1)}"}}}}'.encode()


def test_an_event_is_complete_when_it_came_to_every_socket():
    came = Arrivals(copies=2)

    for number in (1, 2, 1, 3):
        came.take(number, a_frame())

    assert (came.count, came.complete) == (4, 1)
    assert len(came.latencies_ms) == 1


def test_counting_begins_from_nought_again():
    came = Arrivals(copies=2)
    came.take(1, a_frame())
    came.begin()
    came.take(1, a_frame())

    assert (came.count, came.complete) == (1, 0)


async def test_who_waits_is_woken_by_the_last_copy():
    came = Arrivals(copies=2)
    waiting = asyncio.create_task(came.until(1))
    await asyncio.sleep(0)
    came.take(1, a_frame())
    await asyncio.sleep(0)
    assert not waiting.done()

    came.take(1, a_frame())

    assert await asyncio.wait_for(waiting, 1)


async def test_what_never_comes_is_given_up(monkeypatch):
    monkeypatch.setattr(arrivals, "GIVE_UP_SECONDS", 0.01)
    came = Arrivals(copies=1)
    came.take(1, a_frame())

    assert not await came.until(2)


@pytest.mark.parametrize("space", ["", " "])
def test_a_frame_tells_how_old_its_event_is(space):
    sent = time.monotonic_ns() - 5_000_000

    assert 5 <= age_ms(f'{{"text":{space}"{sent} token"}}'.encode()) < 1_000
    assert age_ms(b'{"type":"pong"}') == 0
