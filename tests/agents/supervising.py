"""Attempts that a test makes and watches."""

import asyncio

from chatrouting.agents.supervisor import Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import (
    a_claimed_run,
    events_of,
    now_of,
)
from tests.agents.scripted import ScriptedAgent


async def supervised(*steps, run=None):
    """Let an agent take these steps; the run's row and what its owner was told."""
    run = run or await in_database(a_claimed_run)
    async with asyncio.timeout(20):
        await Supervisor(run, ScriptedAgent(steps)).supervise()
    events = await events_of(run)
    check_run(events)
    return await in_database(now_of, run), events


def types(events):
    """What was told, by type."""
    return [event["type"] for event in events]


def end(events):
    """The payload of the last event."""
    return events[-1]["payload"]
