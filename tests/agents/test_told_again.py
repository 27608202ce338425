"""What was decided and not told, or asked and not told: whoever goes on tells it, in order and once."""

import pytest

from chatrouting.agents import approvals, journal
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import CrashPolicy, Delta, ToolResult, ToolStatus
from chatrouting.database import in_database
from chatrouting.stream.log import key_of
from chatrouting.stream.valkey import valkey
from tests.agents.accepted import claimed, expire
from tests.agents.asking import NOTE, decided, payloads, the_call, waiting
from tests.agents.hosted import WAITING, a_host, attend, ended, left_behind, row_of, types_of
from tests.agents.scripted import FailingAgent, ScriptedAgent

WHOLE_CALL = ["tool_executing", "approval_required", "approval_resolved", "tool_completed"]


class LastingAgent(ScriptedAgent):
    """Goes on after a crash."""

    on_crash = CrashPolicy.CONTINUE


async def asked_in_vain(agent):
    """A run whose worker died when the question about a call was written and not told."""
    run = await left_behind(*WAITING, after="agent_delta", agent=agent)
    await in_database(write_question, run)
    return run


def write_question(run):
    call = journal.begin(run, f"{run.pk.hex[:12]}-1", *NOTE)
    return approvals.require(run, call)


def of_calls(events):
    """What was told of calls, by type."""
    return [event["type"] for event in events if event["type"] in WHOLE_CALL]


async def test_a_question_that_died_with_its_worker_is_asked_by_the_next(install):
    """Row 51: nobody would ever decide about what nobody was asked."""
    run = await asked_in_vain(LastingAgent)
    install(LastingAgent([NOTE, Delta("done")]))

    async with a_host() as host:
        await attend(host, run.pk)

    assert (await row_of(run)).status == "waiting"
    assert (await types_of(run))[-2:] == WHOLE_CALL[:2]
    await decided(run)
    row, events = await ended(run)
    assert (row.outcome, of_calls(events)) == ("success", WHOLE_CALL)


async def test_a_question_that_died_with_its_worker_is_told_where_the_run_is_lost(install):
    """Rows 90, 103."""
    run = await asked_in_vain(FailingAgent)
    install(FailingAgent())

    row, events = await ended(run)

    assert (row.outcome, of_calls(events)) == ("lost", WHOLE_CALL)


async def test_a_decision_before_the_question_was_told_comes_after_it(install):
    """An operator decides by the row: what the worker has not come to is told first, and once."""
    run = await asked_in_vain(LastingAgent)
    install(LastingAgent([NOTE, Delta("done")]))

    await decided(run)

    assert (await types_of(run))[-3:] == WHOLE_CALL[:3]
    _, events = await ended(run)
    assert of_calls(events) == WHOLE_CALL


async def decided_in_an_outage(install):
    """A run that goes on with a decision that nobody could be told of, and its call."""
    run, _ = await waiting(install, agent=LastingAgent)
    call = await in_database(the_call, run)
    await in_database(approvals.decide, call, Decision(True, "connection"))
    await in_database(approvals.wake, run.pk)
    return await in_database(claimed, run), call


def begun(run, call):
    approvals.start(run, call)


def made(run, call):
    approvals.start(run, call)
    approvals.end(run, call, ToolResult(call.call_id, ToolStatus.OK, "noted"), 5)


@pytest.mark.parametrize(("did", "status"), [(begun, "interrupted"), (made, "ok")])
async def test_a_decision_that_was_not_told_is_told_by_the_worker_after_the_next(
    install, did, status
):
    """Row 51: an outage at the decision, then a worker that dies with the call in hand."""
    run, call = await decided_in_an_outage(install)
    await in_database(did, run, call)
    await in_database(expire, run)

    row, events = await ended(run)

    assert (row.outcome, of_calls(events)) == ("success", WHOLE_CALL)
    assert payloads(events, "approval_resolved")[0]["decision"] == "approve"
    assert payloads(events, "tool_completed")[0]["status"] == status


async def test_a_call_that_has_waited_longer_than_its_keys_are_kept_is_not_told_again(install):
    """A receipt's time may be shorter than that of a decision."""
    run, _ = await waiting(install)
    for key in await valkey().call("KEYS", key_of(str(run.user_id), "key:*")):
        await valkey().call("DEL", key)

    await decided(run)
    _, events = await ended(run)

    assert of_calls(events) == WHOLE_CALL


async def test_a_question_that_is_written_again_is_one():
    """The database was lost when it was to say that the first time had come off."""
    run = await left_behind(*WAITING, after="agent_delta", agent=LastingAgent)
    first = await in_database(write_question, run)
    call = await in_database(the_call, run)

    assert (await in_database(approvals.require, run, call)).expires_at == first.expires_at
