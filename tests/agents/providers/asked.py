"""Questions to the assistant, and what their user was told."""

import asyncio

from chatrouting.agents.supervisor import Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_claimed_run, events_of


async def answered(assistant, question="hello", run=None):
    """Let the assistant answer; what the run's owner was told, from the start to the end."""
    run = run or await in_database(a_claimed_run, question, "assistant")
    async with asyncio.timeout(20):
        await Supervisor(run, assistant).supervise()
    events = await events_of(run)
    check_run(events)
    return events


def payloads(events, kind):
    """What events of this type said."""
    return [event["payload"] for event in events if event["type"] == kind]


def ended(events):
    """Outcome and content of the end."""
    (end,) = payloads(events, "agent_completed")
    return end["outcome"], end["content"]


def error_of(events):
    """The only `agent_error`."""
    (error,) = payloads(events, "agent_error")
    return error
