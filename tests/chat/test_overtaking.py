"""`on_busy: interrupt` where nothing is at work: what waits there waits for another member's limit alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction

from chatrouting.agents import runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome
from chatrouting.chat import conversation
from chatrouting.chat.conversation import start_agent, user_message
from chatrouting.chat.messages import StartAgent, UserMessage
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.testing.system import wait_until
from tests.agents.accepted import a_person, a_thread, ask, now_of, owner_of
from tests.agents.at_once import stands_at_a_lock
from tests.chat.asking import a_context
from tests.chat.circle import someone
from tests.chat.told import told

LIMIT = chat_settings().runs_per_user


def busy(person):
    """All the runs that this person may have at work; one of them."""
    first, *_ = [ask(a_thread(person)) for _ in range(LIMIT)]
    return first


def overtakable():
    """A thread where nothing is at work: a member's run waits there for that member's limit."""
    crowded, thread = a_person(), a_thread()
    at_work = busy(crowded)
    return thread, ask(thread, by=crowded), at_work


async def interrupt(thread):
    """Its owner interrupts."""
    message = UserMessage(content="now", thread_id=thread.pk, on_busy="interrupt")
    return await user_message(a_context(await in_database(owner_of, thread)), message)


async def run_of(reply):
    return await in_database(Run.objects.get, pk=reply.run_id)


async def places_of(run):
    return [
        event["payload"]["position"]
        for event in await told(str(run.user_id))
        if event["type"] == "run_queued" and event["run_id"] == str(run.pk)
    ]


async def test_the_new_one_begins_at_once(monkeypatch):
    """Row 47: a user with runs waiting does not delay another's."""
    enqueued = []
    monkeypatch.setattr(conversation, "enqueue", enqueued.append)
    thread, waiting, _ = await in_database(overtakable)

    reply = await interrupt(thread)

    run = await run_of(reply)
    assert (reply.status, run.status, enqueued) == ("running", "running", [run])
    assert run.admitted_at is not None
    assert (await in_database(now_of, waiting)).status == "queued"


async def test_those_it_came_before_are_told_their_places():
    """One waits in the thread again, and those behind it in its user's line move up there."""
    thread, waiting, at_work = await in_database(overtakable)
    second = await in_database(lambda: ask(a_thread(owner_of(at_work.thread))))
    third = await in_database(lambda: ask(thread))

    await interrupt(thread)

    assert [await places_of(run) for run in (waiting, third, second)] == [[1], [2], [1]]


async def test_it_waits_for_the_limit_of_its_own_user():
    thread, waiting, _ = await in_database(overtakable)
    await in_database(lambda: busy(owner_of(thread)))

    reply = await interrupt(thread)

    assert reply.status == "queued"
    assert await places_of(await run_of(reply)) == [1]
    assert await places_of(waiting) == [2]


def test_what_is_admitted_at_that_moment_is_stopped_for_it():
    """Two of a thread are never at work: whoever comes second sees what the first did."""
    thread, waiting, at_work = overtakable()
    begun = threading.Event()

    def say():
        begun.set()
        try:
            message = UserMessage(content="now", thread_id=thread.pk, on_busy="interrupt")
            return conversation._accept(a_context(owner_of(thread)), message)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            runs.end(at_work, runs.Ending(Outcome.SUCCESS))
            saying = pool.submit(say)
            assert begun.wait(5)
            wait_until(stands_at_a_lock, "the message to wait for the other's row")
        done = saying.result(20)

    assert now_of(waiting).status == "running"
    assert (done.reply.status, done.work.interruption.stops) == ("queued", waiting)
    assert now_of(waiting).cancel_requested_at is not None


async def test_an_agent_that_is_started_comes_before_what_was_said_and_that_is_told():
    """Row 47: start before message, in the line of one who has enough at work."""
    person = await someone()
    await in_database(busy, person)
    message = await user_message(a_context(person), UserMessage(content="hello"))

    start = await start_agent(a_context(person), StartAgent(agent="demo", content="hello"))

    assert await places_of(await run_of(start)) == [1]
    assert await places_of(await run_of(message)) == [1, 2]
