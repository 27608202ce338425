"""Places in the queue are told whenever they change, also where an end was told late, or by nobody at first."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.agents import ending, runs
from chatrouting.agents.ending import finish, heed_end
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import RunStatus
from chatrouting.agents.stopping import stop_now
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from tests.agents.accepted import DONE, a_person, a_thread, ask, claimed, events_of, now_of
from tests.agents.asking import NOTE
from tests.agents.hosted import a_host, attend
from tests.agents.scripted import ScriptedAgent
from tests.away import valkey_away

LIMIT = chat_settings().runs_per_user


async def places_of(run):
    return [
        event["payload"]["position"]
        for event in await events_of(run)
        if event["type"] == "run_queued"
    ]


@pytest.fixture
def enqueued(monkeypatch):
    """What workers were told of, in order."""
    told = []
    for room in ("ending", "host"):
        monkeypatch.setattr(f"chatrouting.agents.{room}.enqueue", told.append)
    return told


def in_one_thread(count):
    """So many runs, the first of which a worker has."""
    thread = a_thread()
    first, *others = [ask(thread) for _ in range(count)]
    return [claimed(first), *others]


def in_line(count):
    """The runs of somebody who has all they may have at work, and so many that wait for one of those."""
    person = a_person()
    found = [ask(a_thread(person)) for _ in range(LIMIT + count)]
    return found[:LIMIT], found[LIMIT:]


def earlier(run, *columns):
    ago = timezone.now() - timedelta(seconds=10)
    Run.objects.filter(pk=run.pk).update(**dict.fromkeys(columns, ago))


async def test_who_stood_behind_a_run_that_an_operator_stopped_moves_up():
    _, second, third, fourth = await in_database(in_one_thread, 4)

    await in_database(stop_now, second)
    await heed_end(second.pk)

    assert [await places_of(run) for run in (third, fourth)] == [[1], [2]]


async def test_so_does_who_stood_behind_it_in_its_users_line():
    _, (first, second, third) = await in_database(in_line, 3)

    await in_database(stop_now, first)
    await heed_end(first.pk)

    assert [await places_of(run) for run in (second, third)] == [[1], [2]]


async def test_what_may_begin_after_an_operators_stop_is_enqueued_and_those_behind_it_move_up(
    enqueued,
):
    (running, *_), (next_one, last) = await in_database(in_line, 2)
    behind = await in_database(lambda: ask(next_one.thread))

    await in_database(stop_now, running)
    await heed_end(running.pk)

    assert next_one in enqueued
    assert [await places_of(run) for run in (last, behind)] == [[1], [1]]


async def test_an_end_that_is_told_late_is_told_with_the_places_it_changed(enqueued, tmp_path):
    """Row 53: what was committed is published."""
    first, second, third = await in_database(in_one_thread, 3)
    with valkey_away(tmp_path):
        await finish(first, DONE)
    assert (await places_of(third), enqueued) == ([], [])

    await in_database(earlier, first, "finished_at")
    async with a_host(concurrency=0) as host:
        await host._publish_late()

    assert await places_of(third) == [1]
    assert second in enqueued


async def test_an_end_that_cannot_be_told_keeps_no_place_back(monkeypatch):
    first, _, third = await in_database(in_one_thread, 3)
    ended = await in_database(runs.end, first, DONE)

    async def damaged(_):
        raise RuntimeError("damaged")

    monkeypatch.setattr(ending, "publish_end", damaged)
    await ending.publish_late(ended.run)

    assert await places_of(third) == [1]


async def test_what_the_sweep_admits_is_enqueued_and_those_behind_it_move_up(enqueued):
    """After a crash in the middle, or a change of the limit."""
    (running, *_), (missed, last) = await in_database(in_line, 2)
    behind = await in_database(lambda: ask(missed.thread))
    await in_database(earlier, missed, "created_at")
    await in_database(
        Run.objects.filter(pk=running.pk).update, status=RunStatus.COMPLETED, user=None
    )

    async with a_host(concurrency=0) as host:
        await host._admit_missed()

    assert (await in_database(now_of, missed)).status == RunStatus.RUNNING
    assert missed in enqueued
    assert [await places_of(run) for run in (last, behind)] == [[1], [1]]


async def test_who_stands_behind_what_a_waiting_run_lets_begin_moves_up(install, enqueued):
    """A run that waits for a person is not counted: the first in its user's line begins."""
    (asking, *_), (first, second) = await in_database(in_line, 2)
    install(ScriptedAgent((NOTE,)))

    async with a_host() as host:
        await attend(host, asking.pk)

    assert (await in_database(now_of, asking)).status == RunStatus.WAITING
    assert first in enqueued
    assert await places_of(second) == [1]
