"""An attempt that is cut short: stopped, over its limit, handed over, or lost to another worker."""

import asyncio
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.agents.contract import (
    Delta,
    Final,
    Thinking,
)
from chatrouting.agents.stopping import stop
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import (
    a_claimed_run,
    claimed,
    events_of,
    expire,
    now_of,
)
from tests.agents.scripted import ScriptedAgent, StubbornAgent, own_call
from tests.agents.supervising import end, supervised, types
from tests.agents.waiting import until


async def stopped(agent, run, why=Stop.CANCELLED, after="agent_delta"):
    """Stop the agent once it has said this; how long the end took, in seconds."""
    supervisor = Supervisor(run, agent)
    working = asyncio.create_task(supervisor.supervise())

    async def said():
        return after in types(await events_of(run))

    await until(said)
    began = time.monotonic()
    supervisor.stop(why)
    await asyncio.wait_for(working, 5)
    return time.monotonic() - began


async def test_a_stop_ends_the_run_as_cancelled_within_a_second():
    """Row 97: agent_completed cancelled exactly once within 1 s, nothing after it."""
    run = await in_database(a_claimed_run)

    took = await stopped(ScriptedAgent([Delta("so far"), 60.0]), run)

    events = await events_of(run)
    check_run(events)
    assert took < 1
    assert (end(events)["outcome"], end(events)["content"]) == ("cancelled", "so far")
    assert "agent_error" not in types(events)


async def test_a_stop_ends_the_open_calls():
    """Row 97, 90: also on stop."""
    run = await in_database(a_claimed_run)

    took = await stopped(ScriptedAgent([("slow", {"seconds": 60})]), run, after="tool_executing")

    check_run(await events_of(run))
    assert took < 1


async def test_an_agent_over_its_limit_is_cut_within_a_second():
    """Row 100: cut within limit + 1 s, outcome timeout."""
    run = await in_database(a_claimed_run)
    run.deadline = timezone.now() + timedelta(seconds=0.3)
    began = time.monotonic()

    row, events = await supervised(Delta("so far"), 60.0, run=run)

    assert time.monotonic() - began < 1.3
    assert (row.outcome, row.error_code) == ("timeout", "run_timeout")
    assert end(events)["content"] == "so far"


async def test_an_agent_that_ends_well_when_it_is_cut_was_too_late_nevertheless():
    class Polite(ScriptedAgent):
        async def run(self, ctx):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                yield Delta("goodbye")

    run = await in_database(a_claimed_run)
    run.deadline = timezone.now() + timedelta(seconds=0.1)

    await Supervisor(run, Polite()).supervise()

    check_run(await events_of(run))
    assert (await in_database(now_of, run)).outcome == "timeout"


async def test_the_trace_of_a_timeout_stands_in_the_log(caplog):
    """Row 105: `trace_id` is found in the server log with the cause."""
    run = await in_database(a_claimed_run)
    run.deadline = timezone.now()

    row, _ = await supervised(60.0, run=run)

    assert any(row.trace_id in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("each", "first"),
    [
        pytest.param(lambda number: Delta(f"{number} "), "agent_delta", id="talks"),
        pytest.param(lambda number: Thinking(str(number)), "agent_thinking", id="thinks"),
        pytest.param(own_call, "tool_executing", id="begins calls"),
        pytest.param(lambda number: None, "tool_executing", id="calls tools"),
    ],
)
async def test_an_agent_that_swallows_its_cancellation_is_not_heard_after_the_end(each, first):
    """Row 97: exactly once, nothing after it, whatever the agent goes on doing."""
    run, agent = await in_database(a_claimed_run), StubbornAgent(each)

    took = await stopped(agent, run, after=first)
    await asyncio.wait_for(agent.ended.wait(), 5)

    events = await events_of(run)
    check_run(events)
    assert took < 1.5
    assert end(events)["outcome"] == "cancelled"
    row = await in_database(now_of, run)
    assert row.status == "completed"
    assert not await in_database(row.tool_calls.filter(status="started").exists)


async def test_a_run_that_is_handed_over_has_no_end_and_can_be_taken_at_once():
    """Row 67: a worker that stops gives its run away, it does not end it."""
    run = await in_database(a_claimed_run)

    await stopped(ScriptedAgent([Delta("so far"), 60.0]), run, Stop.HANDED_OVER)

    assert types(await events_of(run)) == ["agent_started", "agent_delta"]
    assert (await in_database(claimed, run)).attempt == 2


async def test_what_no_worker_holds_any_more_is_stopped_without_one():
    """Row 97: a call that was open and what was said so far are told, then the end; nothing after it."""
    run = await in_database(a_claimed_run)
    agent = ScriptedAgent([Delta("so far"), ("slow", {"seconds": 60})])
    await stopped(agent, run, Stop.HANDED_OVER, after="tool_executing")

    assert await stop(await in_database(now_of, run))

    events = await events_of(run)
    check_run(events)
    assert types(events)[-2:] == ["tool_completed", "agent_completed"]
    assert (end(events)["outcome"], end(events)["content"]) == ("cancelled", "so far")
    assert end(events)["attempt"] == 1


async def test_what_a_worker_holds_is_stopped_by_it_alone():
    run = await in_database(a_claimed_run)

    assert not await stop(run)

    row = await in_database(now_of, run)
    assert (row.status, row.fence) == ("running", run.fence)
    assert row.cancel_requested_at is not None


async def test_a_second_attempt_voids_the_text_of_the_first():
    run = await in_database(a_claimed_run)
    await stopped(ScriptedAgent([Delta("so far"), 60.0]), run, Stop.HANDED_OVER)
    taken = await in_database(claimed, run)

    _, events = await supervised(Delta("again"), run=taken)

    assert (end(events)["content"], end(events)["attempt"]) == ("again", 2)


async def test_a_worker_that_lost_its_run_says_no_more_and_ends_nothing():
    """Row 51: the user sees one end."""
    run = await in_database(a_claimed_run)
    going = asyncio.Event()

    class Waiting(ScriptedAgent):
        async def run(self, ctx):
            yield Delta("first ")
            await going.wait()
            yield Delta("late ")
            yield Thinking("late")
            yield Final()

    working = asyncio.create_task(Supervisor(run, Waiting()).supervise())

    async def spoken():
        return len(await events_of(run)) == 2

    await until(spoken)
    await in_database(expire, run)
    taken = await in_database(claimed, run)
    _, events = await supervised(Delta("other"), run=taken)
    going.set()
    await asyncio.wait_for(working, 5)

    assert await events_of(run) == events
    assert end(events)["content"] == "other"


async def test_a_worker_that_is_told_of_its_loss_ends_nothing():
    run = await in_database(a_claimed_run)

    await stopped(ScriptedAgent([Delta("so far"), 60.0]), run, Stop.TAKEN)

    assert types(await events_of(run)) == ["agent_started", "agent_delta"]
    assert (await in_database(now_of, run)).status == "running"
