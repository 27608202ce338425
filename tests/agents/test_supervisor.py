"""One attempt: whatever the agent does, its run keeps the protocol's rules and has one end."""

import asyncio
import itertools
import time

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from chatrouting.agents import approvals, runs
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import (
    AgentError,
    Delta,
    Final,
    Saved,
    Thinking,
    ToolCall,
    ToolResult,
    ToolStatus,
    Usage,
)
from chatrouting.agents.models import Approval, Run
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.database import in_database
from chatrouting.stream.valkey import valkey
from chatrouting.testing.order import check_run
from chatrouting.threads.models import ThreadMember
from tests.agents.accepted import (
    a_claimed_run,
    a_person,
    a_thread,
    ask,
    claimed,
    events_of,
    now_of,
)
from tests.agents.scripted import ScriptedAgent
from tests.agents.supervising import end, supervised, types


async def test_a_plain_run_shows_the_five_events_in_order():
    """Row 88: agent_started … agent_completed in the order of the protocol."""
    row, events = await supervised(
        Thinking("hm"), ("calculator", {"expression": "1+1"}), Delta("two"), Final()
    )

    assert types(events) == [
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "agent_delta",
        "agent_completed",
    ]
    assert (row.status, row.outcome) == ("completed", "success")


async def test_the_end_says_what_the_run_was():
    """Row 89: the fields of agent_completed."""
    row, events = await supervised(Delta("said"), ("clock", {}), Final(usage=Usage(3, 4)))

    payload = end(events)
    assert payload.pop("duration_ms") >= 0
    assert payload == {
        "outcome": "success",
        "content": "said",
        "message_id": str(row.answer_message_id),
        "attempt": 1,
        "tools_used": ["clock"],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }


async def test_an_agent_begins_once_its_members_know_of_the_attempt():
    """Row 90: a worker that dies in between leaves no call in the journal that came before the start."""
    began = []

    class Watching(ScriptedAgent):
        async def run(self, ctx):
            began.append(time.monotonic())
            yield Final()

    run = await in_database(a_claimed_run)
    paused = time.monotonic()
    await valkey().call("CLIENT", "PAUSE", 400, "WRITE")  # for so many milliseconds
    await Supervisor(run, Watching()).supervise()

    assert began[0] - paused > 0.35
    check_run(await events_of(run))


@pytest.mark.parametrize("steps", [(), (Final(),), (Delta(""),), (Final(""),)])
async def test_an_agent_that_says_nothing_ends_with_success_and_no_text(steps):
    """Row 91: runs without tools or without thinking are valid."""
    _, events = await supervised(*steps)

    assert types(events) == ["agent_started", "agent_completed"]
    assert (end(events)["outcome"], end(events)["content"]) == ("success", "")


async def test_what_the_final_content_adds_is_said():
    _, events = await supervised(Delta("one "), Final("one two"))

    assert end(events)["content"] == "one two"


async def test_a_final_content_that_contradicts_the_deltas_changes_nothing():
    _, events = await supervised(Delta("one"), Final("other"))

    assert end(events)["content"] == "one"


async def test_nothing_is_heard_after_the_final():
    _, events = await supervised(Final("done"), Delta("more"), Thinking("more"))

    assert end(events)["content"] == "done"
    assert "agent_thinking" not in types(events)


async def test_thoughts_are_numbered():
    _, events = await supervised(Thinking("a"), Thinking("b"))

    assert [event["payload"] for event in events[1:3]] == [
        {"text": "a", "step": 1},
        {"text": "b", "step": 2},
    ]


async def test_an_exception_fails_the_run_and_shows_nothing_of_itself(caplog):
    """Row 99: one agent_error (code, safe text, trace id), then agent_completed failed."""
    row, events = await supervised(Delta("so far"), RuntimeError("hunter2"))

    error = events[-2]["payload"]
    assert types(events)[-2:] == ["agent_error", "agent_completed"]
    assert (error["code"], error["message"]) == ("agent_failed", "The agent failed.")
    assert (end(events)["outcome"], end(events)["content"]) == ("failed", "so far")
    assert row.trace_id == error["trace_id"] != ""
    assert any(error["trace_id"] in record.getMessage() for record in caplog.records)


async def test_an_agents_own_error_is_told_in_its_words():
    _, events = await supervised(AgentError("no_model", "There is no model."))

    error = events[-2]["payload"]
    assert (error["code"], error["message"]) == ("no_model", "There is no model.")


async def test_an_agent_that_cancels_itself_has_failed():
    row, _ = await supervised(asyncio.CancelledError())

    assert row.outcome == "failed"


async def test_an_open_call_of_an_agent_that_fails_is_interrupted():
    """Row 90: also on failure."""
    _, events = await supervised(ToolCall("a", "own", {}), RuntimeError())

    statuses = [e["payload"]["status"] for e in events if e["type"] == "tool_completed"]
    assert statuses == ["interrupted"]


async def test_a_call_that_is_begun_twice_fails_the_run_in_order():
    row, _ = await supervised(ToolCall("a", "own", {}), ToolCall("a", "own", {}))

    assert row.outcome == "failed"


async def test_text_that_no_database_keeps_is_replaced_everywhere():
    row, events = await supervised(
        Delta("a\x00\ud800"), Thinking("\x00"), ToolCall("c", "\x00", {"\ud800": "\x00"}),
        AgentError("\x00", "\ud800"),
    )  # fmt: skip

    assert end(events)["content"] == "a\ufffd\ufffd"
    assert (row.error_code, row.error_text) == ("\ufffd", "\ufffd")


async def test_the_agent_sees_the_thread_up_to_its_question_and_the_answers_before_it():
    """An agent sees the thread up to its own question, not later questions."""

    def asked():
        thread = a_thread()
        first, second, _third = ask(thread, "one"), ask(thread, "two"), ask(thread, "three")
        runs.end(claimed(first), runs.Ending("success", "answer one"))
        return claimed(second)

    agent = ScriptedAgent()
    run = await in_database(asked)
    await Supervisor(run, agent).supervise()

    (ctx,) = agent.seen
    assert [(each.role, each.content) for each in ctx.history] == [
        ("user", "one"),
        ("agent", "answer one"),
        ("user", "two"),
    ]
    assert (ctx.question, ctx.attempt, ctx.user.id) == ("two", 1, str(run.user_id))


async def test_every_member_sees_the_run_and_nobody_else_does():
    """Row 92."""
    member, stranger = await in_database(lambda: (a_person(), a_person()))

    def shared():
        thread = a_thread()
        ThreadMember.objects.create(thread=thread, user_id=member.id)
        return claimed(ask(thread))

    run = await in_database(shared)
    await Supervisor(run, ScriptedAgent([Delta("hello")])).supervise()

    seen = [types(await events_of(as_seen_by(run, who))) for who in (run.user_id, member.id)]
    assert seen == [["agent_started", "agent_delta", "agent_completed"]] * 2
    assert await events_of(as_seen_by(run, stranger.id)) == []


def as_seen_by(run, user_id):
    return Run(pk=run.pk, user_id=int(user_id))


surrogates = st.text(alphabet=st.characters(exclude_categories=()), max_size=12)
names = st.sampled_from(["a", "b", "c"])
statuses = st.sampled_from(ToolStatus)
steps = st.one_of(
    st.builds(Delta, surrogates),
    st.builds(Thinking, surrogates),
    st.builds(ToolCall, names, surrogates, st.dictionaries(surrogates, surrogates, max_size=2)),
    st.builds(ToolResult, names, statuses, surrogates, surrogates, surrogates),
    st.builds(Usage, st.integers(0, 10**6), st.integers(0, 10**6)),
    st.builds(Saved, st.none() | st.just({"step": 1})),
    st.builds(Final, st.none() | surrogates),
    st.sampled_from(
        [
            ("calculator", {"expression": "1+1"}),
            ("calculator", {"wrong": 1}),
            ("failing", {}),
            ("missing", {"password": "x"}),
            ("slow", {"seconds": 0.01}),
            ("note", {"text": "a"}),
            ("note", {"text": 1}),
        ]
    ),
    st.sampled_from([0.0, 0.01]),
    st.builds(RuntimeError, surrogates),
    st.builds(AgentError, surrogates, surrogates),
)


async def supervised_in_turns(run, agent, decisions, stop_after):
    """Supervise it, deciding about each call that waits, until it has ended; expiry where it is None."""
    resumed = False
    async with asyncio.timeout(30):
        while True:
            supervisor = Supervisor(run, agent, resumed=resumed)
            if stop_after is not None:
                asyncio.get_running_loop().call_later(stop_after, supervisor.stop, Stop.CANCELLED)
            await supervisor.supervise()
            if (await in_database(now_of, run)).status == "completed":
                return
            await in_database(decide_next, run, next(decisions))
            run, resumed = await in_database(claimed, run), True


def decide_next(run, approve):
    call = run.tool_calls.get(status="waiting")
    if approve is None:
        Approval.objects.filter(pk=call.pk).update(expires_at=timezone.now())
    approvals.decide(call, Decision(bool(approve), "connection"))
    approvals.wake(run.pk)


@given(
    st.lists(steps, max_size=12),
    st.none() | st.floats(0, 0.1),
    st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=3),
)
@settings(max_examples=40, deadline=None)
async def test_no_agent_can_break_the_rules_of_a_run(script, stop_after, decisions):
    """Row 88, 90, 91, 95: order, pairing, one end and last, deltas joined are the content."""
    run = await in_database(a_claimed_run)

    await supervised_in_turns(run, ScriptedAgent(script), itertools.cycle(decisions), stop_after)

    events = await events_of(run)
    check_run(events)
    row = await in_database(now_of, run)
    assert (row.status, row.outcome) == ("completed", end(events)["outcome"])
    assert end(events)["content"] == await in_database(lambda: row.answer.content)
