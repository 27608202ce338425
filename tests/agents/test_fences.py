"""A worker that lost its run writes nothing more about it; one whose answer was lost has done what it did."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, transaction

from chatrouting.agents import approvals, journal, runs
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import Delta, Final, Saved, ToolResult, ToolStatus
from chatrouting.agents.journal import RunOver
from chatrouting.agents.models import Approval, SavedState, ToolCall
from chatrouting.agents.statuses import Outcome
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.testing.system import wait_until
from tests.agents.accepted import a_claimed_run, a_person, a_thread, ask, claimed, expire, now_of
from tests.agents.asking import NOTE, decided, the_call, waiting
from tests.agents.at_once import in_threads, stands_at_a_lock
from tests.agents.bench import a_bench
from tests.agents.hosted import a_host, a_run, attend, ended, row_of, types_of, until_told
from tests.agents.scripted import ScriptedAgent

NOTHING_SHOWN = approvals.Shown("", 0, (), None)
LIMIT = chat_settings().runs_per_user


def taken_from(run):
    """Another worker has the run now."""
    expire(run)
    return claimed(run)


def a_waiting_call(run):
    call = journal.begin(run, "call", "note", NOTE[1])
    approvals.require(run, call)
    return call


def end_of(run, call):
    result = ToolResult(call.call_id, ToolStatus.INTERRUPTED, code=journal.INTERRUPTED)
    return approvals.end(run, call, result, 1)


def test_a_call_is_not_ended_by_the_worker_that_lost_its_run():
    """Row 103: the new one waits for a decision about it, which would wake nobody."""
    run = a_claimed_run()
    call = a_waiting_call(run)
    taken_from(run)

    with pytest.raises(RunOver):
        end_of(run, call)

    assert ToolCall.objects.get(pk=call.pk).status == "waiting"
    assert Approval.objects.get(pk=call.pk).decision == ""


def test_an_end_that_meets_a_claim_is_not_written():
    """What is looked at is locked until it is written."""
    run = a_claimed_run()
    call = a_waiting_call(run)
    expire(run)

    with ThreadPoolExecutor() as begun, pytest.raises(RunOver):
        with transaction.atomic():
            claimed(run)
            late = begun.submit(in_threads, lambda call: end_of(run, call), [call])
            wait_until(stands_at_a_lock, "the end to wait for the claim")
        late.result()

    assert ToolCall.objects.get(pk=call.pk).status == "waiting"


def test_a_call_keeps_its_first_end():
    run = a_claimed_run()
    call = a_waiting_call(run)
    first = end_of(run, call)

    again = approvals.end(run, call, ToolResult("call", ToolStatus.OK, 1), 2)

    assert (again.status, again.duration_ms) == (first.status, first.duration_ms)


@pytest.mark.parametrize("act", [approvals.require, approvals.start])
def test_a_call_does_not_go_on_with_the_worker_that_lost_its_run(act):
    run = a_claimed_run()
    call = journal.begin(run, "call", "note", NOTE[1])
    ToolCall.objects.filter(pk=call.pk).update(status="waiting")
    taken_from(run)

    with pytest.raises(RunOver):
        act(run, call)

    assert ToolCall.objects.get(pk=call.pk).status == "waiting"
    assert not Approval.objects.filter(pk=call.pk).exists()


async def test_a_toolbox_tells_no_end_of_a_call_that_is_another_workers():
    async with a_bench() as bench:
        await bench.box.begin("mine", "search", {})
        await in_database(taken_from, bench.run)
        await bench.box.interrupt_open()

        assert [kind for kind, _ in await bench.told()] == ["tool_executing"]
        assert (await bench.row()).status == "started"


async def test_an_approved_call_of_a_run_that_another_worker_has_is_not_made(install, monkeypatch):
    """Row 103: the other one took the run while this one stood still before the call."""
    run, agent = await waiting(install)
    await decided(run)
    start = approvals.start

    def overtaken(run, call):
        taken_from(run)
        return start(run, call)

    monkeypatch.setattr(approvals, "start", overtaken)
    async with a_host() as host:
        await attend(host, run.pk)

    assert (await in_database(the_call, run)).status == "waiting"
    assert agent.results == []
    assert "tool_completed" not in await types_of(run)


def test_a_run_that_has_begun_to_wait_has_done_so_when_it_is_asked_again():
    """Row 53: and those that begin in its place are not left to the sweep."""
    person = a_person()
    run, *_, following = [ask(a_thread(person)) for _ in range(LIMIT + 1)]
    held = claimed(run)

    first = approvals.begin_waiting(held, NOTHING_SHOWN)
    again = approvals.begin_waiting(held, NOTHING_SHOWN)

    assert first == [following]
    assert following in again
    assert now_of(run).status == "waiting"


def test_a_run_that_another_worker_has_does_not_begin_to_wait():
    run = a_claimed_run()
    taken_from(run)

    with pytest.raises(RunOver):
        approvals.begin_waiting(run, NOTHING_SHOWN)

    assert now_of(run).status == "running"


def test_a_run_that_is_to_be_stopped_is_not_let_go_of():
    run = a_claimed_run()
    runs.request_stop(run)

    assert approvals.begin_waiting(run, NOTHING_SHOWN) is None


async def test_a_run_waits_although_its_worker_did_not_hear_that_it_does(install, monkeypatch):
    """Row 53: the connection is lost at the commit. A decision that came by then is acted upon all the same."""
    begin_waiting, answers = approvals.begin_waiting, [OperationalError("connection lost")]

    def lost(run, shown):
        admitted = begin_waiting(run, shown)
        if answers:
            approvals.decide(the_call(run), Decision(True, "connection"))
            raise answers.pop()
        return admitted

    monkeypatch.setattr(approvals, "begin_waiting", lost)
    install(ScriptedAgent([NOTE]))
    run = await a_run()
    async with a_host() as host:
        await attend(host, run.pk)

    row = await row_of(run)
    assert (row.status, row.lease_until, answers) == ("running", None, [])
    assert (await ended(run))[0].outcome == "success"


async def test_a_run_that_was_taken_as_it_began_to_wait_is_left_alone(monkeypatch):
    """Row 51: neither its call nor the run is ended by who has lost it."""
    run, begin_waiting = await in_database(a_claimed_run), approvals.begin_waiting

    def overtaken(run, shown):
        taken_from(run)
        return begin_waiting(run, shown)

    monkeypatch.setattr(approvals, "begin_waiting", overtaken)
    await Supervisor(run, ScriptedAgent([NOTE])).supervise()

    assert (await types_of(run))[-1] == "approval_required"
    assert (await in_database(the_call, run)).run.status == "running"


async def test_a_stop_that_is_noted_as_the_run_is_lost_ends_nothing(monkeypatch):
    """The worker learns of both at once: the loss counts."""
    run, begin_waiting = await in_database(a_claimed_run), approvals.begin_waiting
    supervisor = Supervisor(run, ScriptedAgent([NOTE]))
    loop = asyncio.get_running_loop()

    def stopped(run, shown):
        runs.request_stop(run)
        loop.call_soon_threadsafe(supervisor.stop, Stop.TAKEN)
        return begin_waiting(run, shown)

    monkeypatch.setattr(approvals, "begin_waiting", stopped)
    await supervisor.supervise()

    assert (await types_of(run))[-1] == "approval_required"
    assert (await row_of(run)).status == "running"


async def test_a_worker_whose_run_has_ended_elsewhere_keeps_and_reports_nothing(caplog):
    """As where its account is deleted: no state is left of a run that has ended, and no failure said."""
    run, going = await in_database(a_claimed_run), asyncio.Event()

    class Keeping(ScriptedAgent):
        async def run(self, ctx):
            yield Delta("so far")
            await going.wait()
            yield Saved(1)
            yield Final()

    working = asyncio.create_task(Supervisor(run, Keeping()).supervise())
    await until_told(run, "agent_delta")
    await in_database(runs.end, run, runs.Ending(Outcome.CANCELLED))
    going.set()
    await asyncio.wait_for(working, 5)

    assert not await in_database(SavedState.objects.filter(run=run).exists)
    assert "failed" not in caplog.text
