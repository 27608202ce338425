"""Runs that wait for a person, and what that person decides."""

from chatrouting.agents import approvals
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import Delta
from chatrouting.agents.models import ToolCall
from chatrouting.agents.resuming import resume
from chatrouting.database import in_database
from tests.agents.hosted import a_host, a_run, attend, row_of
from tests.agents.scripted import ScriptedAgent

NOTE = ("note", {"text": "water the plants"})


async def waiting(install, *steps, agent=ScriptedAgent):
    """A run that waits for a decision, and the agent that it is of."""
    installed = agent(steps or (Delta("may I? "), NOTE, Delta("done")))
    install(installed)
    run = await a_run()
    async with a_host() as host:
        await attend(host, run.pk)
    assert (await row_of(run)).status == "waiting"
    return run, installed


def the_call(run):
    return ToolCall.objects.select_related("run").get(run=run, status="waiting")


async def decided(run, *, approve=True, arguments=None):
    """Decide about the one call that waits."""
    call = await in_database(the_call, run)
    decision = Decision(approve, "connection", arguments)
    stands, first = await in_database(approvals.decide, call, decision)
    await resume(call)
    return stands, first


def payloads(events, kind):
    return [event["payload"] for event in events if event["type"] == kind]
