"""A busy thread: what is said there waits its turn, in order, in sight, and can be taken back."""

import pytest

from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run


def types_of(events):
    return [event["type"] for event in events]


@pytest.fixture
async def busy(web, alice):
    """A socket of alice, and a thread in which a run is at work that only a stop ends."""
    async with await web.connect(alice) as client:
        accepted = (await client.ask("user_message", content="/stream 5000 20"))["payload"]
        await client.expect_event("agent_delta")
        client.run_id, client.thread_id = accepted["run_id"], accepted["thread_id"]
        yield client
        await client.ask("stop_agent", run_id=client.run_id)
        await client.whole_run(client.run_id)


async def queue(client, content="/think 1", **more):
    frame = await client.ask("user_message", content=content, thread_id=client.thread_id, **more)
    assert frame["payload"]["status"] == "queued", frame
    return frame["payload"]["run_id"]


def places(client, run_id):
    return [
        event["payload"]["position"]
        for event in client.of_run(run_id)
        if event["type"] == "run_queued"
    ]


async def test_what_is_said_to_a_busy_thread_is_queued(busy):
    """Its place is told: 1 is next."""
    first, second = await queue(busy), await queue(busy)
    await busy.expect_event("run_queued", run_id=second)
    assert (places(busy, first), places(busy, second)) == ([1], [2])


async def test_the_queue_runs_in_order_when_the_thread_is_free(busy):
    """Row 47: equal priority, first in, first out; one at a time, and the places move up."""
    waiting = [await queue(busy) for _ in range(3)]
    await busy.ask("stop_agent", run_id=busy.run_id)
    runs = [await busy.whole_run(run_id) for run_id in waiting]
    for events in runs:
        check_run(events)
        assert types_of(events)[0] == "run_queued"
    starts = [next(e["seq"] for e in run if e["type"] == "agent_started") for run in runs]
    ends = [run[-1]["seq"] for run in runs]
    assert starts[1] > ends[0]
    assert starts[2] > ends[1]
    assert [places(busy, run_id) for run_id in waiting] == [[1], [2, 1], [3, 2, 1]]


async def test_an_agent_sees_the_thread_up_to_its_own_question(busy):
    """History keeps each answer behind its question, also where the questions came together."""
    waiting = [await queue(busy, f"/think {number}") for number in (1, 2)]
    await busy.ask("stop_agent", run_id=busy.run_id)
    for run_id in waiting:
        await busy.whole_run(run_id)
    page = (await busy.ask("thread_history", thread_id=busy.thread_id))["payload"]
    said = [(message["role"], message["run_id"]) for message in page["messages"]]
    runs = [busy.run_id, *waiting]
    assert said == [(role, run_id) for run_id in runs for role in ("user", "agent")]


async def test_a_queued_run_can_be_taken_back(busy):
    """It ends at once, cancelled, with attempt 0 and no start; the one behind it moves up."""
    first, second = await queue(busy), await queue(busy)
    stopping = await busy.ask("stop_agent", run_id=first)
    events = await busy.whole_run(first)
    await busy.expect_event("run_queued", run_id=second, position=1)
    assert stopping["payload"] == {"run_id": first, "status": "completed"}
    assert types_of(events) == ["run_queued", "agent_completed"]
    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"], end["content"]) == ("cancelled", 0, "")


async def test_a_full_queue_says_busy(busy):
    """The eleventh is refused, may be tried again, and leaves nothing behind."""
    for _ in range(10):
        await queue(busy)
    refused = await busy.ask("user_message", "one-too-many", content="x", thread_id=busy.thread_id)
    assert_error(refused, "one-too-many", "busy", retry_after_ms=5_000)
    page = (await busy.ask("thread_history", thread_id=busy.thread_id))["payload"]
    assert len(page["messages"]) == 11


async def test_on_busy_reject_says_busy(busy):
    """Nothing is stored, and the same id may be tried again."""
    refused = await busy.ask(
        "user_message", "again", content="hi", thread_id=busy.thread_id, on_busy="reject"
    )
    assert_error(refused, "again", "busy", retry_after_ms=1_000)
    await busy.ask("stop_agent", run_id=busy.run_id)
    await busy.whole_run(busy.run_id)
    accepted = await busy.ask(
        "user_message", "again", content="hi", thread_id=busy.thread_id, on_busy="reject"
    )
    assert accepted["payload"]["status"] == "running"


async def test_a_queued_run_has_a_status(busy):
    """`run_status` of what waits: queued, no text, attempt 0."""
    run_id = await queue(busy)
    status = (await busy.ask("run_status", run_id=run_id))["payload"]
    assert (status["status"], status["text"], status["attempt"]) == ("queued", "", 0)
    assert "outcome" not in status


async def test_a_list_of_threads_names_the_active_run(busy, web, alice):
    """Row 71: newest first; the run at work is named, and no other."""
    other = (await busy.ask("user_message", content="/think 1"))["payload"]
    await busy.whole_run(other["run_id"])
    threads = (await busy.ask("list_threads"))["payload"]["threads"]
    assert [(each["thread_id"], each["active_run_id"]) for each in threads] == [
        (other["thread_id"], None),
        (busy.thread_id, busy.run_id),
    ]


async def test_an_interruption_stops_what_runs_and_comes_next(busy):
    """The run at work ends cancelled, then the new one runs, then those that waited before it."""
    waiting = [await queue(busy) for _ in range(2)]
    interrupting = await queue(busy, on_busy="interrupt")
    stopped = await busy.whole_run(busy.run_id)
    runs = [await busy.whole_run(run_id) for run_id in (interrupting, *waiting)]
    for events in (stopped, *runs):
        check_run(events)
    assert stopped[-1]["payload"]["outcome"] == "cancelled"
    starts = [next(e["seq"] for e in run if e["type"] == "agent_started") for run in runs]
    ends = [run[-1]["seq"] for run in (stopped, *runs)]
    assert all(start > end for start, end in zip(starts, ends, strict=False))
    assert places(busy, interrupting) == [1]
    assert [places(busy, run_id) for run_id in waiting] == [[1, 2, 1], [2, 3, 2, 1]]


async def test_an_interruption_by_a_repeated_id_stops_once(busy):
    """Row 23: the second answer equals the first, and the run that came of it goes on."""
    said = {"content": "/think 1", "thread_id": busy.thread_id, "on_busy": "interrupt"}
    first = await busy.ask("user_message", "now", **said)
    second = await busy.ask("user_message", "now", **said)
    events = await busy.whole_run(first["payload"]["run_id"])
    assert second["payload"] == {**first["payload"], "duplicate": True}
    assert events[-1]["payload"]["outcome"] == "success"
