"""A call that needs approval: the run waits without a worker, and goes on with the decision."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.agents import approvals, claims, runs
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import CrashPolicy, Delta, Thinking, ToolResult, ToolStatus, Usage
from chatrouting.agents.contract import ToolCall as AgentsCall
from chatrouting.agents.ending import heed_end
from chatrouting.agents.models import Approval, Run, ToolCall
from chatrouting.agents.resuming import resume_late
from chatrouting.agents.statuses import RunStatus
from chatrouting.agents.stopping import end_unheld, stop, stop_now
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import events_of
from tests.agents.asking import NOTE, decided, payloads, the_call, waiting
from tests.agents.at_once import in_threads
from tests.agents.hosted import a_run, ended, row_of, types_of
from tests.agents.scripted import ScriptedAgent


async def test_a_run_that_waits_is_held_by_no_worker(install):
    run, _ = await waiting(install)

    row = await row_of(run)
    assert (row.worker, row.lease_until, row.attempt) == ("", None, 1)
    assert await types_of(run) == [
        "agent_started", "agent_delta", "tool_executing", "approval_required",
    ]  # fmt: skip
    tomorrow = timezone.now() + timedelta(days=1)
    for found in (runs.left_behind, runs.unclaimed):
        assert row not in await in_database(found, tomorrow, 1_000)


async def test_an_approved_call_is_made_and_the_run_goes_on_in_the_same_attempt(install):
    """Going on after an approval is not a new attempt; what was said is not said again."""
    run, agent = await waiting(install)
    await decided(run)

    row, events = await ended(run)

    assert [event["type"] for event in events] == [
        "agent_started", "agent_delta", "tool_executing", "approval_required",
        "approval_resolved", "tool_completed", "agent_delta", "agent_completed",
    ]  # fmt: skip
    (resolved,), (completed,) = (
        payloads(events, "approval_resolved"), payloads(events, "tool_completed"),
    )  # fmt: skip
    call_id = completed["call_id"]
    assert resolved == {"call_id": call_id, "decision": "approve", "by_connection": "connection"}
    assert completed["result"].endswith(": water the plants")
    assert (row.outcome, row.attempt, events[-1]["payload"]["content"]) == (
        "success", 1, "may I? done",
    )  # fmt: skip
    assert [ctx.attempt for ctx in agent.seen] == [1, 1]


async def test_a_denied_call_is_not_made_and_the_model_is_told(install):
    """Row 101: denied; the run goes on."""
    run, agent = await waiting(install)
    await decided(run, approve=False)

    row, events = await ended(run)

    (completed,) = payloads(events, "tool_completed")
    assert (completed["status"], completed["error"]["code"]) == ("denied", "denied_by_user")
    assert (row.outcome, agent.results[-1].status) == ("success", "denied")


async def test_a_call_is_made_with_the_arguments_that_replace_the_models(install):
    run, _ = await waiting(install)
    await decided(run, arguments={"text": "feed the cat"})

    _, events = await ended(run)

    assert payloads(events, "tool_executing")[0]["arguments"] == NOTE[1]
    assert payloads(events, "approval_resolved")[0]["arguments"] == {"text": "feed the cat"}
    assert payloads(events, "tool_completed")[0]["result"].endswith(": feed the cat")


async def test_the_first_decision_stands(install):
    run, _ = await waiting(install)

    first = await decided(run, approve=False)
    call = await in_database(ToolCall.objects.get, run=run)
    second = await in_database(approvals.decide, call, Decision(True, "other"))

    assert (first[0].decision, first[1]) == ("deny", True)
    assert (second[0].decision, second[1], second[0].by_connection) == ("deny", False, "connection")


async def test_of_many_decisions_at_once_one_wins(install):
    run, _ = await waiting(install)
    call = await in_database(the_call, run)

    def decide(number):
        return approvals.decide(call, Decision(number % 2 == 0, f"device {number}"))

    found = await in_database(in_threads, decide, range(6))

    assert [first for _, first in found].count(True) == 1
    assert len({approval.by_connection for approval, _ in found}) == 1


async def test_a_decision_that_comes_too_late_is_denied_with_a_code_of_its_own(install):
    run, _ = await waiting(install)
    await in_database(Approval.objects.filter(call__run=run).update, expires_at=timezone.now())

    stands, first = await decided(run)
    _, events = await ended(run)

    assert (stands.decision, first) == ("deny", False)
    (completed,) = payloads(events, "tool_completed")
    assert (completed["status"], completed["error"]["code"]) == ("denied", "approval_expired")
    assert payloads(events, "approval_resolved")[0]["by_connection"] is None


async def test_what_nobody_decides_about_expires_in_the_sweep(install):
    run, _ = await waiting(install)
    await in_database(Approval.objects.filter(call__run=run).update, expires_at=timezone.now())

    await resume_late(timezone.now(), 1_000)

    assert (await row_of(run)).status == "running"
    assert (await types_of(run))[-1] == "approval_resolved"


async def test_a_decision_whose_maker_died_is_acted_upon_by_the_sweep(install):
    """The decision is one compare-and-set; what comes after it survives everybody."""
    run, _ = await waiting(install)
    call = await in_database(the_call, run)
    await in_database(approvals.decide, call, Decision(True, "connection"))

    await resume_late(timezone.now(), 1_000)
    row, events = await ended(run)

    assert row.outcome == "success"
    assert len(payloads(events, "approval_resolved")) == 1


async def test_a_waiting_run_is_cancelled_without_a_worker(install):
    """Row 97: cancelled, exactly once; its call has an end, its text is kept."""
    run, _ = await waiting(install)

    assert await end_unheld(await row_of(run))

    events = await events_of(run)
    check_run(events)
    end = events[-1]["payload"]
    assert (end["outcome"], end["content"], end["tools_used"]) == ("cancelled", "may I? ", ["note"])
    assert payloads(events, "tool_completed")[0]["status"] == "interrupted"
    call = await in_database(ToolCall.objects.get, run=run)
    stands, first = await in_database(approvals.decide, call, Decision(True, "late"))
    assert (stands.decision, first) == ("deny", False)


async def test_a_run_that_is_stopped_as_it_goes_on_ends_its_call(install):
    """Row 90: also on stop."""
    run, _ = await waiting(install)
    await decided(run)
    await in_database(runs.request_stop, run)

    row, events = await ended(run)

    assert (row.outcome, events[-1]["payload"]["tools_used"]) == ("cancelled", ["note"])


async def test_an_operator_stops_a_waiting_run_at_once(install):
    run, _ = await waiting(install)

    assert await in_database(stop_now, await row_of(run)) == "completed"
    await heed_end(run.pk)

    events = await events_of(run)
    check_run(events)
    assert events[-1]["payload"]["outcome"] == "cancelled"


async def as_it_was_before(run):
    """The run as somebody read it who then lost the race to its worker: it has begun to wait since."""
    row = await row_of(run)
    row.status = RunStatus.RUNNING
    return row


async def test_a_run_that_began_to_wait_since_it_was_read_is_stopped_at_once(install):
    """Row 97."""
    run, _ = await waiting(install)

    assert await stop(await as_it_was_before(run))

    events = await events_of(run)
    check_run(events)
    assert events[-1]["payload"]["outcome"] == "cancelled"


async def test_an_operator_too_stops_at_once_what_began_to_wait_since(install):
    run, _ = await waiting(install)

    assert await in_database(stop_now, await as_it_was_before(run)) == "completed"


async def test_a_run_that_is_to_be_stopped_does_not_begin_to_wait(install):
    install(ScriptedAgent([NOTE]))
    run = await a_run()
    await in_database(Run.objects.filter(pk=run.pk).update, cancel_requested_at=timezone.now())

    row, _ = await ended(run)

    assert row.outcome == "cancelled"


async def test_the_deadline_stands_still_while_a_person_thinks(install):
    run, _ = await waiting(install)
    before = (await row_of(run)).deadline
    earlier = timezone.now() - timedelta(hours=1)
    await in_database(Run.objects.filter(pk=run.pk).update, waiting_since=earlier)
    await decided(run)

    taken = await in_database(claims.claim, run.pk, "worker")

    assert taken.resumed
    assert taken.run.deadline - before >= timedelta(hours=1)


async def test_what_was_thought_and_counted_before_is_not_told_again(install):
    run, _ = await waiting(install, Thinking("a"), Usage(3, 4), Thinking("b"), NOTE, Thinking("c"))
    await decided(run)

    row, events = await ended(run)

    told = [(each["step"], each["text"]) for each in payloads(events, "agent_thinking")]
    assert told == [(1, "a"), (2, "b"), (3, "c")]
    assert (row.input_tokens, row.output_tokens) == (3, 4)


async def test_a_call_of_the_agents_own_is_not_told_again(install):
    own = (AgentsCall("a", "own", {}), ToolResult("a", ToolStatus.OK, 1))
    run, _ = await waiting(install, *own, NOTE)
    await decided(run)

    row, events = await ended(run)

    assert row.outcome == "success"
    assert [each["call_id"] for each in payloads(events, "tool_executing")].count("a") == 1


async def test_invalid_arguments_need_no_decision(install):
    install(ScriptedAgent([("note", {"text": 1}), Delta("on")]))

    _, events = await ended(await a_run())

    assert payloads(events, "tool_completed")[0]["status"] == "invalid_arguments"
    assert not payloads(events, "approval_required")


@pytest.mark.parametrize("policy", list(CrashPolicy))
async def test_a_run_that_waits_goes_on_whatever_its_policy_for_crashes(install, policy):
    class Any(ScriptedAgent):
        on_crash = policy

    run, _ = await waiting(install, agent=Any)
    await decided(run)

    assert (await ended(run))[0].outcome == "success"
