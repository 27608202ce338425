"""Calls that are made together: everybody is answered once, and nobody waits for company."""

import asyncio
import threading

import pytest

from chatrouting import batches as module
from chatrouting.batches import LARGEST, Batches
from routing_core.errors import Overloaded


class Recorded:
    """Answers each number with its square; the first call waits until it may go on."""

    def __init__(self):
        self.calls = []
        self.goes_on = threading.Event()

    def __call__(self, keys):
        self.calls.append(list(keys))
        assert self.goes_on.wait(5)
        if 0 in keys:
            raise ZeroDivisionError
        return {key: key * key for key in keys if key != 13}


@pytest.fixture
def recorded():
    return Recorded()


async def asked(batches, keys):
    """Ask for all at once, the first of them first. Returns once all wait."""
    waiting = [asyncio.create_task(batches.call(key)) for key in keys]
    await asyncio.sleep(0)
    return waiting


async def test_one_that_comes_alone_is_served_at_once(recorded):
    recorded.goes_on.set()

    assert await Batches(recorded).call(3) == 9
    assert recorded.calls == [[3]]


async def test_those_that_come_meanwhile_are_served_together(recorded):
    batches = Batches(recorded)
    first = await asked(batches, [1])
    others = await asked(batches, [2, 3, 4])
    recorded.goes_on.set()

    assert await asyncio.gather(*first, *others) == [1, 4, 9, 16]
    assert recorded.calls == [[1], [2, 3, 4]]


async def test_no_call_has_more_than_the_largest(recorded):
    batches = Batches(recorded)
    waiting = await asked(batches, range(100, 100 + LARGEST + 1))
    recorded.goes_on.set()
    await asyncio.gather(*waiting)

    assert [len(keys) for keys in recorded.calls] == [LARGEST, 1]


async def test_of_those_that_ask_for_one_thing_one_is_answered(recorded):
    batches = Batches(recorded)
    waiting = await asked(batches, [5, 5])
    recorded.goes_on.set()

    assert await asyncio.gather(*waiting) == [25, None]
    assert recorded.calls == [[5]]


async def test_all_that_ask_for_one_thing_are_answered_where_it_may_be_told_to_all(recorded):
    batches = Batches(recorded, to_all=True)
    waiting = await asked(batches, [5, 5, 6])
    recorded.goes_on.set()

    assert await asyncio.gather(*waiting) == [25, 25, 36]
    assert recorded.calls == [[5, 6]]


async def test_who_waits_for_too_long_is_told_so(recorded):
    """Those before may each take as long as the database does."""
    batches = Batches(recorded, seconds=0.05)

    waiting = await asked(batches, [1, 2])
    found = await asyncio.gather(*waiting, return_exceptions=True)
    recorded.goes_on.set()

    assert [type(each) for each in found] == [TimeoutError, TimeoutError]


async def test_no_more_wait_than_there_is_room_for(recorded, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    batches = Batches(recorded)
    waiting = await asked(batches, [1, 2, 3, 4])
    recorded.goes_on.set()

    *answers, third, fourth = await asyncio.gather(*waiting, return_exceptions=True)

    assert answers == [1, 4]
    assert [type(third), type(fourth)] == [Overloaded, Overloaded]


async def test_what_nothing_is_said_of_is_none(recorded):
    recorded.goes_on.set()

    assert await Batches(recorded).call(13) is None


async def test_a_failure_is_told_to_all_of_its_call_and_to_no_other(recorded):
    batches = Batches(recorded)
    failing = await asked(batches, [1, 0])
    later = await asked(batches, [2])
    recorded.goes_on.set()

    found = await asyncio.gather(*failing, *later, return_exceptions=True)

    assert [type(each) for each in found[:2]] == [ZeroDivisionError, ZeroDivisionError]
    assert found[2] == 4


async def test_a_caller_that_gives_up_keeps_nobody_back(recorded):
    batches = Batches(recorded)
    impatient, patient = await asked(batches, [1, 2])
    impatient.cancel()
    recorded.goes_on.set()

    assert await patient == 4


async def test_who_notes_does_not_wait_and_it_is_done(recorded):
    batches = Batches(recorded)
    batches.note(1)
    after = await asked(batches, [2])
    recorded.goes_on.set()

    assert await asyncio.gather(*after) == [4]
    assert recorded.calls == [[1], [2]]


async def test_a_note_that_fails_is_logged_and_keeps_nobody_back(recorded, caplog):
    recorded.goes_on.set()
    batches = Batches(recorded)
    batches.note(0)
    await asyncio.gather(*await asked(batches, [1]), return_exceptions=True)

    assert await batches.call(2) == 4
    assert "left to the sweep" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_more_notes_than_can_wait_are_left_to_the_sweep(recorded, monkeypatch, caplog):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    batches = Batches(recorded)
    for key in (1, 2, 3):
        batches.note(key)
    recorded.goes_on.set()
    await asyncio.sleep(0)  # from now on they are served
    await batches.call(4)

    assert recorded.calls == [[1, 2], [4]]
    assert "3 is left to the sweep" in caplog.text
