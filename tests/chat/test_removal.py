"""The deletion of a thread is brought to its end, whatever dies or comes late in between."""

import asyncio

from chatrouting.agents import claims, ending, runs
from chatrouting.agents.contract import Delta
from chatrouting.agents.messages import RunQueued
from chatrouting.agents.removal import conclude
from chatrouting.agents.statuses import Outcome
from chatrouting.agents.supervisor import Stop
from chatrouting.chat import outbox
from chatrouting.chat.removal import deleted_threads, remove
from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from tests.agents.accepted import ask, claimed, expire, now_of
from tests.agents.hosted import a_host, attend
from tests.away import valkey_away
from tests.chat.circle import a_thread_of, someone
from tests.chat.deleting import (
    at_work,
    delete,
    is_there,
    joined_unheard,
    mark_deleted,
    sweep,
    types_told,
)
from tests.chat.told import told


async def test_a_process_that_dies_after_the_commit_loses_nothing():
    """The sweep stops the runs, tells their ends and the thread's, and removes the rows."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    for _ in range(2):
        await in_database(ask, thread)
    await mark_deleted(owner, thread)
    assert await told(member.id) == []

    await sweep()

    assert await types_told(member) == ["agent_completed"] * 2 + ["thread_removed"]
    assert not await is_there(thread)


async def test_a_worker_stops_although_the_process_that_asked_it_died():
    """The mark on the run is of the same transaction as that on the thread."""
    owner = await someone()
    thread = await a_thread_of(owner)
    run = await in_database(lambda: claimed(ask(thread)))

    await mark_deleted(owner, thread)

    assert await in_database(claims.renew_leases, run.worker, [run.pk]) == {run.pk: True}


async def test_a_run_whose_worker_died_ends_with_another_and_takes_the_thread_along():
    """Row 51: the text so far is kept; the thread goes last."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    run = await in_database(ask, thread)
    supervisor, working = await at_work(run, Delta("so far"), 60.0)
    supervisor.stop(Stop.TAKEN)
    await asyncio.wait_for(working, 5)
    await delete(owner, thread)
    await in_database(expire, run)

    async with a_host() as host:
        await attend(host, run.pk)

    for person in (owner, member):
        end, removed = (await told(person.id))[-2:]
        assert (end["payload"]["outcome"], end["payload"]["content"]) == ("cancelled", "so far")
        assert removed["type"] == "thread_removed"
    assert not await is_there(thread)


async def test_the_end_of_a_run_starts_no_other_in_a_deleted_thread():
    """The worker ends its run before anybody has stopped those that wait."""
    owner = await someone()
    thread = await a_thread_of(owner)
    run = await in_database(lambda: claimed(ask(thread)))
    queued = await in_database(ask, thread)
    await mark_deleted(owner, thread)

    await ending.finish(run, runs.Ending(Outcome.CANCELLED, "so far"))

    assert (await in_database(now_of, queued)).status == "queued"
    assert await types_told(owner) == ["agent_completed"]


async def test_a_deletion_while_valkey_is_away_is_told_when_it_is_back(tmp_path):
    """Row 53: what is committed is answered, and told later, in order."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    run = await in_database(ask, thread)
    with valkey_away(tmp_path):
        await delete(owner, thread)
    assert thread.pk in await in_database(deleted_threads)

    await sweep()
    assert await told(member.id) == [], "the end of the run is not told yet"
    await ending.publish_end(await in_database(now_of, run))
    await sweep()

    assert await types_told(member) == ["agent_completed", "thread_removed"]
    assert not await is_there(thread)


async def test_who_joined_unheard_hears_of_it_before_the_thread_goes():
    """Whoever tells the last end of a run leaves the rest to who tells of the members."""
    owner, late = await someone(), await someone()
    thread = await a_thread_of(owner)
    run = await in_database(lambda: claimed(ask(thread)))
    await in_database(joined_unheard, thread, late)
    await mark_deleted(owner, thread)

    await ending.finish(run, runs.Ending(Outcome.CANCELLED))
    assert "thread_removed" not in await types_told(owner)
    await sweep()

    assert (await types_told(late))[-2:] == ["members_changed", "thread_removed"]
    assert (await types_told(owner))[-2:] == ["members_changed", "thread_removed"]
    assert not await is_there(thread)


async def test_eight_who_carry_it_out_at_once_tell_it_once():
    owner = await someone()
    thread = await a_thread_of(owner)
    for _ in range(3):
        await in_database(ask, thread)
    await mark_deleted(owner, thread)

    await asyncio.gather(*(remove(thread.pk) for _ in range(8)))
    await sweep()

    assert await types_told(owner) == ["agent_completed"] * 3 + ["thread_removed"]
    assert not await is_there(thread)


async def test_what_comes_late_of_a_removed_thread_is_told_to_nobody():
    """A question announced, a title told, an end published by who read the members before."""
    owner = await someone()
    thread = await a_thread_of(owner)
    run = await in_database(ask, thread)
    await delete(owner, thread)
    before = await told(owner.id)

    await publish([owner.id], Event(RunQueued(position=1), thread.pk, run.pk))
    await outbox.announce(run.question, [owner.id])

    assert await told(owner.id) == before


async def test_another_thread_goes_on():
    owner = await someone()
    thread, other = await a_thread_of(owner), await a_thread_of(owner)
    run = await in_database(ask, other)

    await delete(owner, thread)
    await sweep()

    assert await is_there(other)
    assert (await in_database(now_of, run)).status == "running"


async def test_a_thread_that_is_not_deleted_is_not_concluded():
    owner = await someone()
    thread = await a_thread_of(owner)

    await conclude(thread.pk)

    assert await is_there(thread)
    assert await told(owner.id) == []
