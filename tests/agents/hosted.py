"""Workers of one run at a time, and what one that died leaves."""

import asyncio
from contextlib import asynccontextmanager

from chatrouting.agents.contract import Delta
from chatrouting.agents.host import Intake, RunHost
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_thread, ask, claimed, events_of, expire, now_of
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until

WAITING = (Delta("so far"), 60.0)


@asynccontextmanager
async def a_host(**intake):
    """A worker's host, which hands over what is left at the end."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        host = RunHost(tasks, Intake(**intake))
        yield host
        await host.hand_over(2)


async def a_run():
    """A run that nobody holds."""
    return await in_database(lambda: ask(a_thread()))


async def row_of(run):
    """The row as it stands."""
    return await in_database(now_of, run)


async def types_of(run):
    """What its owner was told, by type."""
    return [event["type"] for event in await events_of(run)]


async def until_told(run, kind):
    """Wait until its owner was told of something of this type."""

    async def come():
        return kind in await types_of(run)

    await until(come)


async def left_behind(*steps, after, agent=ScriptedAgent):
    """A run whose worker died once it had told this: nothing was ended, its lease ran out."""
    run = await in_database(lambda: claimed(ask(a_thread())))
    supervisor = Supervisor(run, agent(steps))
    working = asyncio.create_task(supervisor.supervise())
    await until_told(run, after)
    supervisor.stop(Stop.TAKEN)
    await asyncio.wait_for(working, 5)
    await in_database(expire, run)
    return run


async def attend(host, run_id):
    """Let the queue bring it to this host, and wait until it is over there."""
    host.receive(run_id)
    while (task := host._running.get(run_id)) is not None:
        await asyncio.wait({task})


async def ended(run):
    """Let a worker attend to it; its row and what its owner was told, in order."""
    async with a_host() as host:
        await attend(host, run.pk)
    events = await events_of(run)
    check_run(events)
    return await row_of(run), events
