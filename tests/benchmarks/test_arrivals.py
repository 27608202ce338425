"""When an event has come to all of its sockets."""

import asyncio
import time

from tests.benchmarks import arrivals
from tests.benchmarks.arrivals import Arrivals, ages_ms
from tests.benchmarks.publishing import piece


def a_frame(pieces=1):
    text = "".join(map(piece, range(pieces)))
    return f'{{"seq":1,"type":"agent_delta","payload":{{"text":"{text}","position":0}}}}'.encode()


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


def test_a_delta_counts_as_often_as_pieces_were_joined_in_it():
    came = Arrivals(copies=1)

    came.take(1, a_frame(pieces=3))

    assert (came.count, came.complete, len(came.latencies_ms)) == (3, 3, 3)


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


def test_a_frame_tells_how_old_its_pieces_are():
    now = time.monotonic_ns()
    sent = [f"{now - ms * 1_000_000} token 00001 " for ms in (9_000, 5)]

    older, newer = ages_ms(f'{{"text": "{"".join(sent)}"}}'.encode())

    assert 9_000 <= older < 10_000
    assert 5 <= newer < 1_000
    assert ages_ms(b'{"type":"pong"}') == []
