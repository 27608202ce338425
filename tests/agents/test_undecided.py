"""A run that ends although nobody has decided about a call: the decision is told, then the call's end."""

import asyncio
from datetime import timedelta

from django.utils import timezone

from chatrouting.agents import approvals, runs
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import CrashPolicy, Delta
from chatrouting.agents.models import Approval
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_claimed_run, events_of
from tests.agents.asking import NOTE, payloads, the_call
from tests.agents.bench import a_bench
from tests.agents.hosted import ended, left_behind, row_of, until_told
from tests.agents.scripted import ScriptedAgent

DENIED = {"call_id": "note", "decision": "deny", "by_connection": None}


class AtOnce(ScriptedAgent):
    """Makes two calls at once: one waits for a person, the other takes its time."""

    on_crash = CrashPolicy.FAIL

    async def run(self, ctx):
        slow = ctx.tools.call("slow", {"seconds": 60}, "slow")
        await asyncio.gather(ctx.tools.call(*NOTE, "note"), slow)
        yield Delta("done")


async def cut(run, act, agent=AtOnce):
    """Do this to an attempt that has asked and goes on; its events, and how the call ended."""
    supervisor = Supervisor(run, agent([NOTE]))
    working = asyncio.create_task(supervisor.supervise())
    await until_told(run, "approval_required")
    await act(supervisor)
    await asyncio.wait_for(working, 5)
    return checked(await events_of(run))


def checked(events):
    """The events of a whole run; the decision and the end of the call that was asked about."""
    check_run(events)
    (resolved,) = payloads(events, "approval_resolved")
    ends = {each["call_id"]: each["status"] for each in payloads(events, "tool_completed")}
    return events, resolved, ends[resolved["call_id"]]


async def stopping(supervisor):
    supervisor.stop(Stop.CANCELLED)


async def test_a_stop_denies_the_call_before_it_ends_it():
    """Rows 90, 97: `approval_resolved`, then `tool_completed`."""
    run = await in_database(a_claimed_run)

    events, resolved, status = await cut(run, stopping)

    assert (resolved, status) == (DENIED, "interrupted")
    assert events[-1]["payload"]["outcome"] == "cancelled"


async def test_a_run_over_its_limit_denies_the_call_before_it_ends_it():
    """Rows 90, 100."""
    run = await in_database(a_claimed_run)
    run.deadline = timezone.now() + timedelta(seconds=1)

    async def nothing(supervisor):
        pass

    events, resolved, status = await cut(run, nothing)

    assert (resolved, status) == (DENIED, "interrupted")
    assert events[-1]["payload"]["outcome"] == "timeout"


async def test_nobody_decides_about_a_call_that_has_ended():
    run = await in_database(a_claimed_run)
    await cut(run, stopping)
    call = await in_database(run.tool_calls.get, call_id="note")

    stands, first = await in_database(approvals.decide, call, Decision(True, "late"))

    assert (stands.decision, stands.expired, first) == ("deny", True, False)


async def test_a_decision_that_was_not_told_yet_is_told_before_the_end():
    """Whoever decided may stand still between the decision and its telling."""
    run = await in_database(a_claimed_run)

    async def decide_and_stop(supervisor):
        call = await in_database(the_call, run)
        await in_database(approvals.decide, call, Decision(True, "connection"))
        await stopping(supervisor)

    _, resolved, status = await cut(run, decide_and_stop)

    assert (resolved["decision"], resolved["by_connection"]) == ("approve", "connection")
    assert status == "interrupted"


async def test_a_question_that_was_not_told_yet_is_told_before_the_end():
    """The stop comes between the question's row and its telling."""
    async with a_bench() as bench:
        await bench.box.begin("mine", "search", {})
        await in_database(approvals.require, bench.run, await bench.row())
        await bench.box.interrupt_open()

        assert [kind for kind, _ in await bench.told()] == [
            "tool_executing", "approval_required", "approval_resolved", "tool_completed",
        ]  # fmt: skip


async def test_a_stop_that_comes_as_the_run_begins_to_wait_denies_the_call_first(monkeypatch):
    run, begin_waiting = await in_database(a_claimed_run), approvals.begin_waiting

    def stopped(run, shown):
        runs.request_stop(run)
        return begin_waiting(run, shown)

    monkeypatch.setattr(approvals, "begin_waiting", stopped)
    await Supervisor(run, ScriptedAgent([NOTE])).supervise()

    events, resolved, status = checked(await events_of(run))
    assert (resolved["decision"], status) == ("deny", "interrupted")
    assert events[-1]["payload"]["outcome"] == "cancelled"


async def test_a_run_that_is_lost_denies_the_call_before_it_ends_it(install):
    """Rows 90, 103: the worker died while another call was at work."""
    run = await left_behind(after="approval_required", agent=AtOnce)
    install(AtOnce())

    row, events = await ended(run)

    _, resolved, status = checked(events)
    assert (row.outcome, resolved, status) == ("lost", DENIED, "interrupted")


async def test_a_decision_stands_where_the_run_that_is_to_be_lost_has_moved_on():
    run = await left_behind(after="approval_required", agent=AtOnce)
    run.fence -= 1

    assert not await in_database(approvals.close_early, run)

    approval = await in_database(Approval.objects.get, call__run=run)
    assert (approval.decision, (await row_of(run)).status) == ("", "running")


async def test_a_call_that_a_failing_agent_leaves_is_denied_before_it_ends():
    """Row 90: also on failure."""
    run, left = await in_database(a_claimed_run), asyncio.Event()

    class Leaving(ScriptedAgent):
        async def run(self, ctx):
            async with asyncio.TaskGroup() as calls:
                for name, arguments in (NOTE, ("slow", {"seconds": 60})):
                    calls.create_task(ctx.tools.call(name, arguments, name))
                await left.wait()
                raise RuntimeError
            yield Delta("done")

    async def leave(supervisor):
        left.set()

    events, resolved, status = await cut(run, leave, Leaving)

    assert (resolved, status) == (DENIED, "interrupted")
    assert events[-1]["payload"]["outcome"] == "failed"
