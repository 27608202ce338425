"""Row 115: a member whose stream is damaged keeps nothing of a shared run from the others."""

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone
from redis.exceptions import ResponseError

from chatrouting import counters
from chatrouting.agents import dead_letters, ending, runs
from chatrouting.agents.contract import Delta, Final
from chatrouting.agents.ending import publish_late
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.recovery import text_so_far
from chatrouting.agents.statuses import Outcome
from chatrouting.agents.stopping import end_lost, stop
from chatrouting.chat import outbox
from chatrouting.chat.removal import remove
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.stream.log import EventLog
from chatrouting.stream.publishing import StreamRefused, event_log
from chatrouting.stream.valkey import valkey
from chatrouting.testing.order import check_run
from chatrouting.threads.models import Thread, ThreadMember
from chatrouting.threads.rules import Person
from routing_core.envelope import event_type
from tests.agents.accepted import a_person, a_thread, an_untold_end, ask, claimed, events_of, now_of
from tests.agents.hosted import a_host, attend, types_of, until_told
from tests.agents.scripted import ScriptedAgent
from tests.agents.supervising import end, supervised, types
from tests.stream.streams import meta_key

KIND, STATE = DeadLetter.Kind, DeadLetter.State


@pytest.fixture
async def damaged():
    """Somebody whose stream takes nothing until it is repaired."""
    person = await in_database(a_person)
    await valkey().call("SET", meta_key(person.id), "no hash")
    return person


async def repair(person):
    await valkey().call("DEL", meta_key(person.id))


async def asked(damaged):
    """A run in a thread that somebody else shares with them."""

    def make():
        run = ask(a_thread())
        ThreadMember.objects.create(thread_id=run.thread_id, user_id=damaged.id)
        return run

    return await in_database(make)


async def told(person):
    """What stands in their stream, by type."""
    log = event_log()
    page = await log.read(person.id, (await log.top(person.id)).epoch, 0)
    return [event_type(record.body) for record in page.records]


def letter_of(run, kind=KIND.END):
    return DeadLetter.objects.filter(run=run, kind=kind).first()


def due_now(run):
    earlier = timezone.now() - timedelta(minutes=1)
    DeadLetter.objects.filter(run=run).update(next_at=earlier)
    Run.objects.filter(pk=run.pk).update(finished_at=earlier)


async def test_the_others_see_the_run_whole(damaged):
    run = await in_database(claimed, await asked(damaged))

    row, events = await supervised(Delta("so "), Delta("far"), run=run)

    assert types(events)[-1] == "agent_completed"
    assert (row.outcome, end(events)["content"]) == (Outcome.SUCCESS, "so far")


async def test_each_event_that_is_missed_is_counted(damaged):
    """Row 98."""
    run = await in_database(claimed, await asked(damaged))
    refused = counters.events_lost.labels("stream_refused")
    before = refused._value.get()

    await supervised(Delta("x"), run=run)

    assert refused._value.get() == before + 2  # the beginning and the delta; its end is told later


async def test_the_run_can_be_stopped(damaged, install):
    """Row 97."""
    install(ScriptedAgent((Delta("so far"), 60.0)))
    run = await asked(damaged)
    async with a_host() as host:
        attending = asyncio.create_task(attend(host, run.pk))
        await until_told(run, "agent_delta")
        await stop(await in_database(now_of, run))
        await host._renew()
        await asyncio.wait_for(attending, 5)

    events = await events_of(run)
    check_run(events)
    assert end(events)["outcome"] == Outcome.CANCELLED


async def test_the_text_of_a_run_that_was_lost_is_that_of_the_others(damaged):
    run = await in_database(claimed, await asked(damaged))
    await valkey().call("HSET", f"{{u:{damaged.id}}}:text:{run.pk}", "no", "text")
    working = asyncio.create_task(supervised(Delta("so far"), 60.0, run=run))
    await until_told(run, "agent_delta")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    await end_lost(run, Outcome.LOST, attempt=1)

    assert end(await events_of(run))["content"] == "so far"


async def test_what_the_server_refuses_to_all_is_no_reason_to_end_without_the_text(
    damaged, monkeypatch
):
    """It is told when Valkey takes it again, with the text that it has then."""
    run = await in_database(claimed, await asked(damaged))

    async def loading(*_):
        raise ResponseError("LOADING Valkey is loading the dataset in memory")

    monkeypatch.setattr(EventLog, "run_text", loading)

    with pytest.raises(ResponseError, match="LOADING"):
        await text_so_far(run)


async def an_ended_run(damaged):
    run = await in_database(claimed, await asked(damaged))
    await supervised(Final(), run=run)
    await in_database(due_now, run)
    return await in_database(now_of, run)


async def test_an_end_that_a_stream_refused_is_told_after_the_repair_and_once(damaged):
    """Rows 49, 50, 115."""
    run = await an_ended_run(damaged)
    await publish_late(run)
    letter = await in_database(letter_of, run)
    assert (letter.state, letter.tries) == (STATE.TRYING, 1)
    assert letter.reason.startswith(f"StreamRefused: user {damaged.id}: WRONGTYPE")

    await repair(damaged)
    await publish_late(run)

    assert await told(damaged) == ["agent_completed"]
    assert (await types_of(run)).count("agent_completed") == 1
    assert await in_database(letter_of, run) is None
    assert (await in_database(now_of, run)).end_published_at is not None


async def forget_what_was_told(run):
    """As a day does: what makes a repeat count once is kept no longer."""
    owner = f"{{u:{run.user_id}}}"
    keys = await valkey().call("KEYS", f"{owner}:key:*")
    await valkey().call("DEL", f"{owner}:run:{run.pk}", *keys)


async def test_who_was_told_of_an_end_is_not_told_again_when_it_is_replayed_much_later(damaged):
    """Row 50: the user is told once."""
    run = await an_ended_run(damaged)
    await publish_late(run)
    await forget_what_was_told(run)
    await repair(damaged)

    await publish_late(run)

    assert await told(damaged) == ["agent_completed"]
    assert (await types_of(run)).count("agent_completed") == 1


async def test_who_was_told_of_an_end_that_was_given_up_is_not_told_again(damaged, monkeypatch):
    run = await an_ended_run(damaged)

    def broken(*_):
        raise RuntimeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(ending, "_completed", broken)
        for _ in range(chat_settings().publication_tries):
            await publish_late(run)
    await forget_what_was_told(run)
    await repair(damaged)
    await in_database(lambda: dead_letters.replay(letter_of(run), "operator"))

    await publish_late(run)

    assert await told(damaged) == ["agent_completed"]
    assert (await types_of(run)).count("agent_completed") == 1


async def test_such_an_end_keeps_no_other_from_being_told(damaged):
    """Row 115: the sweep goes on with what comes after it."""
    bad = await an_ended_run(damaged)
    first = timezone.now() - timedelta(days=3)
    await in_database(Run.objects.filter(pk=bad.pk).update, finished_at=first)
    good = await in_database(an_untold_end)
    async with a_host(concurrency=0) as host:
        await host._sweep_once()

    assert await types_of(good) == ["agent_completed"]
    assert (await in_database(letter_of, bad)).tries == 1


async def test_an_end_of_a_deleted_thread_waits_for_no_pause(damaged):
    """Its members wait for it: the next round of the sweep tries it again, and gives it up."""
    run = await an_ended_run(damaged)
    await publish_late(run)
    thread = Thread.objects.filter(pk=run.thread_id)

    async def due():
        return run in await in_database(runs.unpublished, timezone.now(), 1_000)

    assert not await due()
    await in_database(thread.update, deleted_at=timezone.now())
    assert await due()


async def test_a_deleted_thread_goes_although_an_end_was_refused(damaged):
    """Who can be told that the thread is gone is told; the end is waited for no longer."""
    run = await an_ended_run(damaged)
    await in_database(Thread.objects.filter(pk=run.thread_id).update, deleted_at=timezone.now())
    await publish_late(run)

    await remove(run.thread_id)

    assert not await in_database(Thread.objects.filter(pk=run.thread_id).exists)
    owner = Person(str(run.user_id), "")
    assert (await told(owner))[-2:] == ["agent_completed", "thread_removed"]


async def test_what_was_said_is_announced_to_the_others_and_then_a_letter(damaged):
    run = await asked(damaged)
    question = await in_database(lambda: now_of(run).question)

    with pytest.raises(StreamRefused, match="WRONGTYPE"):
        await outbox.announce_late(question)

    assert await types_of(run) == ["message_added"]
    assert (await in_database(letter_of, run, KIND.MESSAGE)).tries == 1
    await in_database(question.refresh_from_db)
    assert question.announced_at is None


async def test_who_has_heard_what_was_said_is_not_told_again_when_it_is_replayed_much_later(
    damaged,
):
    run = await asked(damaged)
    question = await in_database(lambda: now_of(run).question)
    with pytest.raises(StreamRefused):
        await outbox.announce_late(question)
    await forget_what_was_told(run)
    await repair(damaged)

    await outbox.announce_late(question)

    assert await told(damaged) == ["message_added"]
    assert await types_of(run) == ["message_added"]
