"""The runs of one worker: taken once, kept, taken over, handed over; and what a dead worker left."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

from django.utils import timezone

from chatrouting.agents import runs, supervisor
from chatrouting.agents.contract import Delta
from chatrouting.agents.models import Run
from chatrouting.agents.supervisor import Stop
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_thread, an_untold_end, ask, claimed, events_of, expire
from tests.agents.asking import NOTE, decided
from tests.agents.hosted import (
    WAITING,
    a_host,
    a_run,
    attend,
    ended,
    left_behind,
    row_of,
    types_of,
    until_told,
)
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until


async def test_a_run_is_attended_to_until_it_is_over(install):
    install(ScriptedAgent([Delta("hello")]))

    row, events = await ended(await a_run())

    assert (row.outcome, row.attempt) == ("success", 1)
    assert row.end_published_at is not None
    assert events[-1]["payload"]["content"] == "hello"


async def test_a_run_that_is_named_three_times_runs_once(install):
    agent = ScriptedAgent([Delta("hello")])
    install(agent)
    run = await a_run()

    async with a_host() as host:
        await asyncio.gather(*(attend(host, run.pk) for _ in range(3)))
        await attend(host, run.pk)

    assert len(agent.seen) == 1
    check_run(await events_of(run))


async def test_a_run_that_goes_on_while_its_worker_still_lets_go_of_it_is_taken_again(
    install, monkeypatch
):
    """Decided in the moment in which it began to wait: the queue brings it to where it has just been."""
    install(ScriptedAgent([NOTE]))
    run, waits, decided_upon = await a_run(), asyncio.Event(), asyncio.Event()

    async def late(run_id):
        waits.set()
        await decided_upon.wait()

    monkeypatch.setattr(supervisor, "wake", late)
    async with a_host() as host:
        first = asyncio.create_task(attend(host, run.pk))
        await asyncio.wait_for(waits.wait(), 5)
        await decided(run)
        second = asyncio.create_task(attend(host, run.pk))
        decided_upon.set()
        await asyncio.gather(first, second)

    assert (await row_of(run)).outcome == "success"


async def test_two_workers_that_are_told_of_one_run_run_it_once(install):
    agent = ScriptedAgent([Delta("hello")])
    install(agent)
    run = await a_run()

    async with a_host() as one, a_host() as other:
        await asyncio.gather(attend(one, run.pk), attend(other, run.pk))

    assert len(agent.seen) == 1


async def test_an_agent_that_is_not_installed_ends_the_run_before_it_starts(install, caplog):
    """Row 102: whose agent is not installed is ended with a code before any work."""
    install(None)

    row, events = await ended(await a_run())

    assert [event["type"] for event in events] == ["agent_error", "agent_completed"]
    assert (row.outcome, row.error_code, row.attempt) == ("failed", "agent_not_installed", 0)
    assert row.trace_id in caplog.text


async def test_a_run_whose_agent_went_away_between_two_workers_is_lost(install):
    run = await left_behind(*WAITING, after="agent_delta")
    install(None)

    row, events = await ended(run)

    assert (row.outcome, events[-1]["payload"]["content"]) == ("lost", "so far")


async def test_the_next_run_of_the_thread_is_enqueued_at_the_end(install, monkeypatch):
    install(ScriptedAgent())
    told = []
    monkeypatch.setattr("chatrouting.agents.ending.enqueue", told.append)
    first, second = await in_database(lambda: [ask(thread) for thread in [a_thread()] * 2])

    async with a_host() as host:
        await attend(host, first.pk)

    assert told == [second]


@asynccontextmanager
async def at_work(install, *steps):
    """A host whose agent has begun to answer."""
    install(ScriptedAgent(steps or WAITING))
    run = await a_run()
    async with a_host() as host:
        attending = asyncio.create_task(attend(host, run.pk))
        await until_told(run, "agent_delta")
        yield host, run
        await asyncio.wait_for(attending, 5)


async def test_a_stop_that_is_nudged_ends_the_run(install):
    async with at_work(install) as (host, run):
        await in_database(runs.request_stop, run)
        host.stop(run.pk, Stop.CANCELLED)

    assert (await row_of(run)).outcome == "cancelled"


async def test_a_stop_whose_nudge_was_lost_is_seen_when_leases_are_renewed(install):
    """Row 97: within 1 s or so, also without the nudge."""
    async with at_work(install) as (host, run):
        keeping = asyncio.create_task(host.keep_leases())
        await in_database(runs.request_stop, run)
        began = time.monotonic()

        async def over():
            return (await row_of(run)).status == "completed"

        await until(over)
        keeping.cancel()

    assert time.monotonic() - began < 3
    assert (await row_of(run)).outcome == "cancelled"


async def test_a_run_that_another_worker_took_is_dropped_when_leases_are_renewed(install):
    async with at_work(install) as (host, run):
        await in_database(expire, run)
        await in_database(claimed, run)
        keeping = asyncio.create_task(host.keep_leases())

        async def dropped():
            return not host._running

        await until(dropped)
        keeping.cancel()

    assert (await row_of(run)).status == "running"
    assert "agent_completed" not in await types_of(run)


async def test_a_worker_that_leaves_hands_its_runs_over(install):
    """Row 70: runs untouched; never cancelled because a worker stops."""
    async with at_work(install) as (host, run):
        await host.hand_over(2)

    row = await row_of(run)
    assert (row.status, row.worker) == ("running", "")
    assert row.lease_until <= timezone.now()


async def test_a_worker_that_leaves_takes_no_more_runs(install):
    install(ScriptedAgent())
    run = await a_run()
    async with a_host() as host:
        await host.hand_over(1)
        await attend(host, run.pk)

    row = await row_of(run)
    assert (row.status, row.attempt) == ("running", 0)


async def test_a_worker_that_leaves_waits_no_longer_than_it_is_told(install, monkeypatch):
    monkeypatch.setattr("chatrouting.agents.cutting.GRACE_SECONDS", 30)

    class Stuck(ScriptedAgent):
        async def run(self, ctx):
            yield Delta("so far")
            release = asyncio.Event()
            asyncio.get_running_loop().call_later(1.5, release.set)
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

    install(Stuck())
    run = await a_run()
    async with a_host() as host:
        attending = asyncio.create_task(attend(host, run.pk))
        await until_told(run, "agent_delta")
        began = time.monotonic()
        await host.hand_over(0.1)
        await asyncio.wait_for(attending, 1)

    assert time.monotonic() - began < 1


async def test_a_duty_of_the_sweep_that_fails_keeps_no_other_back(install, monkeypatch):
    """A run that no worker came for is taken, whatever is wrong with an end that is to be told."""
    install(ScriptedAgent())

    def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(runs, "unpublished", broken)
    run = await a_run()
    earlier = timezone.now() - timedelta(seconds=10)
    await in_database(Run.objects.filter(pk=run.pk).update, admitted_at=earlier)
    async with a_host() as host:
        await host._sweep_once()
        await until_told(run, "agent_completed")


async def test_the_sweep_publishes_an_end_that_a_crash_kept_back(install):
    """Row 53: what was committed is published."""
    install(ScriptedAgent())
    run = await in_database(an_untold_end)
    async with a_host(concurrency=0) as host:
        await host._sweep_once()
        await host._sweep_once()

    assert await types_of(run) == ["agent_completed"]
    assert (await row_of(run)).end_published_at is not None
