"""A worker that is to stop: what another can go on with is handed over at once, the rest gets a grace."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from chatrouting.agents import claims
from chatrouting.agents.contract import CrashPolicy, Delta, ToolCall, ToolResult, ToolStatus
from chatrouting.agents.host import Intake, RunHost
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_thread, ask, events_of, now_of
from tests.agents.hosted import WAITING, a_host, a_run, attend, ended, row_of, until_told
from tests.agents.scripted import FailingAgent, ScriptedAgent


class Going(ScriptedAgent):
    """Goes on in another worker."""

    on_crash = CrashPolicy.CONTINUE


@asynccontextmanager
async def leaving(install, agent, grace, after="agent_delta"):
    """A host that was told to leave once its agent had got so far, and gave it this grace: its run."""
    install(agent)
    run = await a_run()
    async with a_host() as host:
        attending = asyncio.create_task(attend(host, run.pk))
        await until_told(run, after)
        await host.let_finish(grace)
        yield run
        await host.hand_over(2)
        await asyncio.wait_for(attending, 5)


async def test_a_run_that_no_other_worker_can_go_on_with_may_end_first(install):
    """Row 70: a deploy costs no run that ends within the grace."""
    agent = FailingAgent([Delta("so far"), 0.3, Delta(", done")])

    async with leaving(install, agent, 5) as run:
        row = await row_of(run)

    assert (row.outcome, row.attempt) == ("success", 1)
    events = await events_of(run)
    check_run(events)
    assert events[-1]["payload"]["content"] == "so far, done"


async def test_what_does_not_end_within_the_grace_is_given_up(install):
    async with leaving(install, FailingAgent(WAITING), 0.1) as run:
        assert (await row_of(run)).worker

    row, events = await ended(run)

    assert (row.outcome, events[-1]["payload"]["content"]) == ("lost", "so far")


async def test_what_is_brought_once_more_to_a_worker_that_leaves_is_left_to_others(install, caplog):
    """Also where the run that it waits for is the last thing of the process to end."""
    install(FailingAgent([Delta("so far"), 0.2]))
    run = await a_run()
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        host = RunHost(tasks, Intake())
        host.receive(run.pk)
        await until_told(run, "agent_delta")
        host.receive(run.pk)
        host.leave()

    assert (host.load, (await row_of(run)).outcome) == (0, "success")
    assert "Exception in callback" not in caplog.text


@pytest.mark.parametrize("agent", [ScriptedAgent, Going])
async def test_a_run_that_another_worker_can_go_on_with_is_handed_over_at_once(install, agent):
    began = time.monotonic()

    async with leaving(install, agent(WAITING), 10) as run:
        assert time.monotonic() - began < 5
        row = await row_of(run)

    assert (row.status, row.worker, row.handed_over) == ("running", "", 1)


async def test_an_agent_that_would_begin_anew_may_end_first_where_a_tool_was_used(install):
    agent = ScriptedAgent([("clock", {}), Delta("so far"), 0.3])

    async with leaving(install, agent, 5) as run:
        assert (await row_of(run)).outcome == "success"


@pytest.mark.parametrize(
    "calling",
    [
        (("slow", {"seconds": 0.3}),),
        (ToolCall("own", "own", {}), 0.3, ToolResult("own", ToolStatus.OK, 1)),
    ],
    ids=("of the project", "of the agent"),
)
async def test_a_call_that_is_under_way_ends_before_its_run_is_handed_over(install, calling):
    """No tool is cut off of which nobody would know whether it did its work."""
    async with leaving(install, Going([*calling, 60.0]), 5, after="tool_executing") as run:
        row = await row_of(run)

    assert (row.status, row.worker) == ("running", "")
    (call,) = await in_database(lambda: list(run.tool_calls.all()))
    assert call.status == "ok"


async def test_a_run_that_was_handed_over_is_enqueued_at_once(install, monkeypatch):
    told = []
    monkeypatch.setattr("chatrouting.agents.supervisor.enqueue", told.append)

    async with leaving(install, Going(WAITING), 5) as run:
        assert told == [run]


def test_a_run_that_was_taken_and_not_begun_has_made_no_attempt():
    """Also one that no other worker could go on with is begun by another."""
    run = ask(a_thread())
    taken = claims.claim(run.pk, "leaving")

    assert claims.hand_over(taken.run, begun=False)

    row = now_of(run)
    assert (row.attempt, row.handed_over, row.worker) == (0, 0, "")
    assert not claims.claim(run.pk, "other").recovered


async def test_a_worker_that_leaves_while_it_claims_gives_the_run_back(install):
    install(FailingAgent())
    run = await a_run()
    async with a_host() as host:
        attending = asyncio.create_task(attend(host, run.pk))
        await asyncio.sleep(0)  # it has asked the database
        host.leave()
        await asyncio.wait_for(attending, 5)

    assert (await row_of(run)).attempt == 0
