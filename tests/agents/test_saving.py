"""Going on: from what an agent saved, with what its calls gave, in a new attempt."""

import pytest
from msgspec.structs import replace

from chatrouting.agents import runs, saving
from chatrouting.agents.contract import CrashPolicy, Delta, Final, Saved, Thinking, Usage
from chatrouting.agents.journal import RunOver
from chatrouting.agents.models import SavedState, ToolCall
from chatrouting.agents.statuses import Outcome
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from tests.agents.accepted import a_claimed_run, claimed, expire, now_of
from tests.agents.hosted import ended, left_behind
from tests.agents.scripted import ScriptedAgent
from tests.agents.supervising import supervised, types


class GoingOn(ScriptedAgent):
    """Takes its steps from the one it saved last; a state is the number of the next step."""

    on_crash = CrashPolicy.CONTINUE

    async def run(self, ctx):
        self.steps, whole = self.steps[ctx.saved or 0 :], self.steps
        try:
            async for event in super().run(ctx):
                yield event
        finally:
            self.steps = whole


def limited(monkeypatch, **limits):
    """The supervisor knows these limits instead of the ordinary ones."""
    changed = replace(chat_settings(), **limits)
    monkeypatch.setattr("chatrouting.agents.supervisor.chat_settings", lambda: changed)


def deltas(events):
    return [
        (e["payload"]["position"], e["payload"]["text"])
        for e in events
        if e["type"] == "agent_delta"
    ]


async def test_a_run_goes_on_from_what_was_saved(install):
    """A run that continues first sends the text it keeps as one agent_delta at position 0."""
    run = await left_behind(
        Delta("kept "), Saved(2), Delta("voided "), ("clock", {}), 60.0,
        after="tool_completed", agent=GoingOn,
    )  # fmt: skip
    agent = GoingOn([Delta("kept "), Saved(2), Delta("again "), ("clock", {}), Delta("done")])
    install(agent)

    row, events = await ended(run)

    second = events[types(events).index("agent_started", 1) :]
    assert second[0]["payload"]["attempt"] == 2
    position, text = deltas(second)[0]
    assert (position, text[:5]) == (0, "kept ")
    assert (row.outcome, events[-1]["payload"]["content"]) == ("success", "kept again done")
    assert (agent.seen[0].saved, agent.seen[0].text) == (2, "kept ")


async def test_a_call_that_had_ended_is_not_made_again(install):
    run = await left_behind(("clock", {}), 60.0, after="tool_completed", agent=GoingOn)
    given = (await in_database(ToolCall.objects.get, run=run)).raw_result
    agent = GoingOn([("clock", {}), ("clock", {})])
    install(agent)

    _, events = await ended(run)

    assert types(events).count("tool_executing") == 2
    assert agent.results[0].result == given.strip('"')


async def test_a_call_that_was_at_work_is_interrupted_and_not_made_again(install):
    """Started without completed: interrupted, told to the model, never silently run again."""
    run = await left_behind(("slow", {"seconds": 60}), after="tool_executing", agent=GoingOn)
    agent = GoingOn([("slow", {"seconds": 60}), Delta("on")])
    install(agent)

    row, events = await ended(run)

    statuses = [e["payload"]["status"] for e in events if e["type"] == "tool_completed"]
    assert (row.outcome, statuses) == ("success", ["interrupted"])
    assert (agent.results[0].status, agent.results[0].code) == ("interrupted", "interrupted")


def test_nothing_is_saved_of_a_run_that_has_ended():
    """Its account may have been deleted, which its worker does not know yet."""
    run = a_claimed_run()
    runs.end(run, runs.Ending(Outcome.CANCELLED))

    for usage in (None, Usage(3, 4)):
        with pytest.raises(RunOver):
            saving.save(run, "1", saving.BEGINNING, usage)

    assert not SavedState.objects.filter(run=run).exists()
    assert now_of(run).input_tokens is None


def test_what_another_worker_has_saved_stands():
    """Row 51: from there the run goes on, not from what the one before it still had to say."""
    run = a_claimed_run()
    expire(run)
    saving.save(claimed(run), "2", saving.BEGINNING, Usage(5, 6))

    for usage in (None, Usage(3, 4)):
        with pytest.raises(RunOver):
            saving.save(run, "1", saving.BEGINNING, usage)

    assert SavedState.objects.get(run=run).state == "2"
    assert now_of(run).input_tokens == 5


def test_what_is_saved_later_stands_in_place_of_what_was_before():
    run = a_claimed_run()
    for state in ("1", "2"):
        saving.save(run, state, saving.Place(text=state, calls=int(state)), None)

    place = saving.place_of(run, resumed=False)
    assert (place.state, place.text, place.calls) == (2, "2", 2)


async def test_what_was_saved_is_gone_with_the_run():
    run = await in_database(a_claimed_run)

    await supervised(Saved({"history": []}), ("calculator", {"expression": "1"}), run=run)

    assert not await in_database(SavedState.objects.filter(run=run).exists)
    call = await in_database(ToolCall.objects.get, run=run)
    assert (call.raw_arguments, call.raw_result) == ("", "")


@pytest.mark.parametrize("state", [object(), "x" * 5_000_000], ids=["no JSON", "too large"])
async def test_what_cannot_be_kept_fails_the_run(state):
    row, _ = await supervised(Saved(state))

    assert (row.outcome, row.error_code) == ("failed", "state_not_kept")


@pytest.mark.parametrize("last", [Usage(600_000, 400_001), Final(usage=Usage(1_000_001, 0))])
async def test_a_run_that_used_more_tokens_than_it_may_fails(last):
    row, events = await supervised(Usage(10, 10), Delta("so far"), last, Delta("more"))

    assert (row.outcome, row.error_code) == ("failed", "token_budget")
    assert events[-1]["payload"]["content"] == "so far"


async def test_a_run_without_progress_is_lost(monkeypatch):
    """Row 103: a run without progress beyond its limit ends lost; the user is told."""
    limited(monkeypatch, progress_seconds=0.2)

    row, events = await supervised(Thinking("hm"), 60.0)

    assert (row.outcome, row.error_code) == ("lost", "no_progress")
    assert types(events)[-2:] == ["agent_error", "agent_completed"]


async def test_a_tool_at_work_is_progress(monkeypatch):
    limited(monkeypatch, progress_seconds=0.2)

    row, _ = await supervised(("slow", {"seconds": 0.6}), Delta("done"))

    assert row.outcome == "success"
