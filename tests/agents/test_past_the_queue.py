"""What the queue did not bring to any worker, because whoever took it died: it is taken past the queue."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.agents import host as module
from chatrouting.agents.contract import Delta
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Priority
from chatrouting.database import in_database
from tests.agents.hosted import WAITING, a_host, a_run, attend, left_behind, row_of
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until


async def test_a_worker_looks_at_once_for_what_another_left(install, monkeypatch):
    """Row 51: also where workers live no longer than the time between two looks."""
    monkeypatch.setattr(module, "LEASE_CHECK_SECONDS", 600)
    told = []
    monkeypatch.setattr(module, "enqueue", told.append)
    run = await first_to_see(await left_behind(*WAITING, after="agent_delta"))

    async with a_host(concurrency=0) as host:
        looking = asyncio.create_task(host.take_over())

        async def found():
            return run in told

        await until(found)
        looking.cancel()


async def first_to_see(run, **changed):
    """Let this run come before all that other tests left."""
    changed |= {"priority": Priority.START, "admitted_at": timezone.now() - timedelta(days=1)}
    await in_database(Run.objects.filter(pk=run.pk).update, **changed)
    return run


async def left_for(seconds):
    """A run that a worker which died let go of so long ago."""
    run = await left_behind(*WAITING, after="agent_delta")
    return await first_to_see(run, lease_until=timezone.now() - timedelta(seconds=seconds))


async def seen_to(look, run, **intake):
    """Whether a worker that looks once takes the run itself, and whether it enqueues it."""
    told = []
    with pytest.MonkeyPatch.context() as listening:
        listening.setattr(module, "enqueue", told.append)
        async with a_host(**{"concurrency": 1, **intake}) as host:
            await look(host)
            taken = run.pk in host._running
    return taken, run in told


async def ends_at(host, run):
    async def over():
        return (await row_of(run)).status == "completed"

    await until(over)
    return (await row_of(run)).worker == host.worker


async def test_a_run_that_was_left_and_whose_job_is_lost_is_taken(install):
    """Row 51: also where whoever took it from the queue was killed before it had claimed it."""
    install(ScriptedAgent())
    run = await left_for(3)

    async with a_host(concurrency=1) as host:
        await host._see_to_left()

        assert await ends_at(host, run)
    assert (await row_of(run)).attempt == 2


async def test_a_run_that_nobody_came_for_is_taken(install):
    install(ScriptedAgent())
    run = await first_to_see(await a_run())

    async with a_host(concurrency=1) as host:
        await host._sweep_once()

        assert await ends_at(host, run)


@pytest.mark.parametrize(
    ("seconds", "intake", "taken"),
    [
        (3, {}, True),
        (1, {}, False),
        (3, {"concurrency": 0}, False),
        (3, {"queues": ("background",)}, False),
    ],
    ids=["lost", "still on its way", "no room", "of another queue"],
)
async def test_what_may_come_by_the_queue_is_left_to_it(install, seconds, intake, taken):
    install(ScriptedAgent())
    run = await left_for(seconds)

    assert await seen_to(module.RunHost._see_to_left, run, **intake) == (taken, not taken)


async def test_there_are_never_more_at_work_than_a_worker_takes(install):
    """What the queue brings after a run was taken past it waits, and is claimed by nobody meanwhile."""
    install(ScriptedAgent([Delta("so far"), 60.0]))
    taken, brought = await first_to_see(await a_run()), await a_run()

    async def begun():
        return (await row_of(taken)).attempt == 1

    async with a_host(concurrency=1) as host:
        await host._sweep_once()
        await until(begun)
        attending = asyncio.create_task(attend(host, brought.pk))
        for _ in range(5):
            await asyncio.sleep(0)
        await host._claims.call(uuid.uuid4())  # what was asked before has been answered

        assert (await row_of(brought)).attempt == 0
        await host.hand_over(2)
        await attending
    assert (await row_of(brought)).attempt == 0
