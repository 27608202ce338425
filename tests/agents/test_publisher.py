"""The one writer of a run's events: nothing left out, nothing overtaken, deltas joined."""

import asyncio
import time
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatrouting import counters
from chatrouting.agents import publisher as publishing
from chatrouting.agents.messages import AgentStarted, AgentThinking
from chatrouting.agents.publisher import DELTA_CHARACTERS, KEPT_CHARACTERS, RunPublisher
from chatrouting.stream.log import Fenced, TextChange
from chatrouting.stream.valkey import valkey
from tests.agents.published import Run, deltas, joined
from tests.agents.waiting import until

STARTED = AgentStarted(agent="a", attempt=1, message_id="m", question_id="q")


async def test_the_first_piece_is_not_held_back():
    run = Run()
    async with run.publisher(delta_seconds=60) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("hello")
        await asyncio.wait_for(publisher.settled(), 5)

        assert joined(await run.events()) == "hello"


async def test_pieces_that_come_together_are_one_delta():
    run = Run()
    async with run.publisher() as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        for number in range(200):
            await publisher.write(f"{number} ")

    found = deltas(await run.events())
    assert "".join(delta["text"] for delta in found) == "".join(f"{n} " for n in range(200))
    assert len(found) < 20


async def test_deltas_are_at_least_forty_milliseconds_apart():
    run = Run()
    async with run.publisher() as publisher:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            await publisher.write("x")
            await asyncio.sleep(0.001)

    told = [datetime.fromisoformat(event["ts"]) for event in await run.events()]
    spaced = told[:-1]  # leaving does not wait for the last one
    gaps = [after - before for before, after in pairwise(spaced)]
    assert len(gaps) > 2
    assert min(gaps) >= timedelta(milliseconds=39)


async def test_another_event_waits_for_no_delta():
    run = Run()
    async with run.publisher(delta_seconds=60) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("a")
        await publisher.write("b")
        await publisher.publish(AgentThinking(text="t", step=1))
        await asyncio.wait_for(publisher.settled(), 5)

        assert [event["type"] for event in await run.events()] == [
            "agent_started",
            "agent_delta",
            "agent_delta",
            "agent_thinking",
        ]


async def test_leaving_writes_what_is_left():
    run = Run()
    async with run.publisher(delta_seconds=60) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("a")
        await publisher.write("b")
        leaving = time.monotonic()
        await publisher.publish(AgentThinking(text="t", step=1))

    assert time.monotonic() - leaving < 5
    assert joined(await run.events()) == "ab"


async def test_an_exception_drops_what_is_left():
    run = Run()
    with pytest.raises(KeyError):
        async with run.publisher(delta_seconds=60) as publisher:
            await publisher.write("a")
            await publisher.settled()
            await publisher.write("b")
            raise KeyError

    assert joined(await run.events()) == "a"


async def test_a_piece_larger_than_a_delta_is_cut_in_several():
    run, text = Run(), "é😀" * DELTA_CHARACTERS
    async with run.publisher() as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write(text)

    found = deltas(await run.events())
    assert joined(await run.events()) == text
    assert [delta["position"] for delta in found] == [0, DELTA_CHARACTERS]


async def test_a_text_that_is_kept_is_one_delta():
    """Row 95: what a run goes on from comes at position 0, in one piece."""
    run, text = Run(), "x" * KEPT_CHARACTERS
    async with run.publisher() as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write(text, most=KEPT_CHARACTERS)

    assert [delta["text"] for delta in deltas(await run.events())] == [text]


async def test_an_empty_piece_says_nothing():
    run = Run()
    async with run.publisher() as publisher:
        await publisher.write("")

    assert await run.events() == []


async def test_the_text_so_far_is_kept_beside_the_events():
    run = Run()
    async with run.publisher() as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("né")
        await publisher.write("e")
        await publisher.settled()

        assert await run.text() == "née"


async def test_a_text_that_valkey_lost_is_set_whole_again():
    run = Run()
    async with run.publisher(delta_seconds=0.001) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("one ")
        await publisher.settled()
        await valkey().call("DEL", f"{{u:{run.user_id}}}:text:{run.key.run_id}")
        await publisher.write("two ")
        await publisher.settled()
        await publisher.write("three")
        await publisher.settled()

        assert await run.text() == "one two three"
    assert [delta["position"] for delta in deltas(await run.events())] == [0, 4, 8]


async def test_what_no_database_keeps_is_replaced_in_text_and_deltas_alike():
    run = Run()
    async with run.publisher() as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("a\x00b\ud800c\ud83d\ude00")

    assert publisher.text == "a\ufffdb\ufffdc😀"
    assert joined(await run.events()) == publisher.text


async def test_a_run_that_was_taken_over_is_told_at_the_next_word():
    run = Run()
    with pytest.raises(Fenced):
        async with run.publisher() as publisher:
            await publisher.publish(STARTED, TextChange.SET)
            await publisher.settled()
            await run.take_over()
            await publisher.write("late")
            with pytest.raises(Fenced):
                await asyncio.wait_for(publisher.settled(), 5)
            await publisher.write("later")

    assert joined(await run.events()) == ""


async def test_text_and_event_in_one_breath_after_a_takeover_do_not_hang():
    """What was taken beside the text that is refused counts as done."""
    run = Run()
    async with run.publisher(delta_seconds=0.2) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        await publisher.write("first")
        await publisher.settled()
        await run.take_over()
        await publisher.write("refused")
        await publisher.publish(AgentThinking(text="t", step=1))

        with pytest.raises(Fenced):
            await asyncio.wait_for(publisher.settled(), 5)


async def test_a_piece_that_found_no_room_is_no_part_of_the_text(monkeypatch):
    """A stop while the queue is full: the text says what was said, no more."""
    run = Run()
    monkeypatch.setattr(publishing, "QUEUE", 2)
    held = asyncio.Event()

    async def audience():
        await held.wait()
        return [run.user_id]

    async with RunPublisher(run.key, audience, 0.01) as publisher:

        async def write():
            for number in range(10):
                await publisher.write(f"{number} ")

        async def full():
            return publisher._queue.full()

        writing = asyncio.create_task(write())
        await until(full)
        writing.cancel()
        await asyncio.wait({writing})
        held.set()
        await publisher.publish(AgentThinking(text="t", step=1))

    assert publisher.text == joined(await run.events()) != ""


async def test_a_writer_that_fails_for_an_unforeseen_reason_says_so_and_counts_it():
    """Row 98: and the run is told at its next word."""
    run = Run()
    lost = counters.events_lost.labels("run_writer")
    before = lost._value.get()

    async def audience():
        raise KeyError("no")

    async with RunPublisher(run.key, audience, 0.01) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        with pytest.raises(KeyError):
            await asyncio.wait_for(publisher.settled(), 5)
        with pytest.raises(KeyError):
            await publisher.write("x")

    assert lost._value.get() == before + 1


pieces = st.lists(st.one_of(st.text(max_size=30), st.just(None)), max_size=30)


@given(pieces, st.sampled_from([0.0, 0.001, 0.02]))
@settings(max_examples=40, deadline=None)
async def test_whatever_is_said_the_deltas_are_the_text_and_nothing_overtakes(said, seconds):
    """Row 95: position of each delta is the sum of the lengths before it; joined they are the text."""
    run, thoughts = Run(), 0
    expected = [""]
    async with run.publisher(seconds) as publisher:
        await publisher.publish(STARTED, TextChange.SET)
        for piece in said:
            if piece is None:
                thoughts += 1
                await publisher.publish(AgentThinking(text=str(thoughts), step=thoughts))
                expected.append("")
            else:
                await publisher.write(piece)
                expected[-1] += publishing.storable(piece)

    events = (await run.events())[1:]
    between, written = [""], 0
    for event in events:
        if event["type"] == "agent_thinking":
            between.append("")
        else:
            assert event["payload"]["position"] == written
            written += len(event["payload"]["text"])
            between[-1] += event["payload"]["text"]
    assert between == expected
    assert publisher.text == "".join(expected)
