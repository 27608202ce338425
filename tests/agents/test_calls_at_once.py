"""Calls at the same time, of which some need a person."""

import asyncio

from chatrouting.agents import approvals
from chatrouting.agents.approvals import Decision
from chatrouting.agents.contract import Delta
from chatrouting.agents.models import ToolCall
from chatrouting.agents.resuming import resume
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import events_of
from tests.agents.asking import NOTE, decided, payloads, waiting
from tests.agents.hosted import a_host, attend, ended
from tests.agents.scripted import ScriptedAgent


async def test_the_other_calls_end_before_the_run_waits(install):
    """Two calls at once, of which one needs a decision: the other is not cut off."""

    class AtOnce(ScriptedAgent):
        async def run(self, ctx):
            slow = ctx.tools.call("slow", {"seconds": 0.2}, "slow")
            self.results = await asyncio.gather(ctx.tools.call(*NOTE, "note"), slow)
            yield Delta("done")

    run, agent = await waiting(install, agent=AtOnce)
    await decided(run)

    row, events = await ended(run)

    assert row.outcome == "success"
    assert [result.status for result in agent.results] == ["ok", "ok"]
    assert len(payloads(events, "tool_executing")) == 2


async def test_two_calls_wait_each_for_its_own_decision(install):
    class Two(ScriptedAgent):
        async def run(self, ctx):
            calls = [ctx.tools.call("note", {"text": text}, text) for text in ("a", "b")]
            self.results = await asyncio.gather(*calls)
            yield Delta("done")

    run, agent = await waiting(install, agent=Two)
    for call_id in ("a", "b"):
        call = await in_database(
            ToolCall.objects.select_related("run").get, run=run, call_id=call_id
        )
        await in_database(approvals.decide, call, Decision(call_id == "a", "connection"))
        await resume(call)
        async with a_host() as host:
            await attend(host, run.pk)

    events = await events_of(run)
    check_run(events)
    assert [result.status for result in agent.results] == ["ok", "denied"]
    assert events[-1]["payload"]["attempt"] == 1
