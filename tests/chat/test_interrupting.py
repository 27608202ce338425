"""`on_busy: interrupt`: what runs is stopped, and what was said comes next."""

import uuid

import pytest

from chatrouting.agents import claims, ending, runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome
from chatrouting.chat import conversation
from chatrouting.chat.conversation import user_message
from chatrouting.chat.messages import UserMessage
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from routing_core.errors import Busy
from tests.agents.accepted import claimed, now_of
from tests.chat.asking import a_context
from tests.chat.circle import someone
from tests.chat.told import told


async def say(person, thread_id=None, on_busy="queue"):
    thread = {"thread_id": uuid.UUID(thread_id)} if thread_id else {}
    message = UserMessage(content="hello", on_busy=on_busy, **thread)
    return await user_message(a_context(person), message)


async def status_of(reply):
    return (await in_database(Run.objects.get, pk=reply.run_id)).status


async def places_of(person, reply):
    return [
        event["payload"]["position"]
        for event in await told(person.id)
        if event["type"] == "run_queued" and event["run_id"] == reply.run_id
    ]


async def a_busy_thread(person):
    """A thread in which a worker has a run, and that run."""
    first = await say(person)
    run = await in_database(Run.objects.get, pk=first.run_id)
    return first.thread_id, await in_database(claimed, run)


async def test_a_run_at_work_is_asked_to_stop_and_the_new_one_waits_for_it():
    person = await someone()
    thread_id, run = await a_busy_thread(person)

    reply = await say(person, thread_id, "interrupt")

    assert (reply.status, await places_of(person, reply)) == ("queued", [1])
    assert (await in_database(now_of, run)).cancel_requested_at is not None


async def test_a_run_that_has_not_begun_ends_and_the_new_one_runs():
    person = await someone()
    first = await say(person)

    reply = await say(person, first.thread_id, "interrupt")

    end = next(event for event in await told(person.id) if event["type"] == "agent_completed")
    assert (end["run_id"], end["payload"]["outcome"]) == (first.run_id, "cancelled")
    assert await status_of(reply) == "running"


async def test_the_new_one_comes_before_those_that_wait_and_they_are_told():
    person = await someone()
    thread_id, run = await a_busy_thread(person)
    waiting = [await say(person, thread_id) for _ in range(2)]

    reply = await say(person, thread_id, "interrupt")

    assert await places_of(person, reply) == [1]
    assert [await places_of(person, each) for each in waiting] == [[1, 2], [2, 3]]
    await in_database(runs.end, run, runs.Ending(Outcome.CANCELLED))
    assert await status_of(reply) == "running"
    assert [await status_of(each) for each in waiting] == ["queued", "queued"]


async def test_those_that_wait_go_on_after_it_in_their_order():
    person = await someone()
    first = await say(person)
    waiting = [await say(person, first.thread_id) for _ in range(2)]

    reply = await say(person, first.thread_id, "interrupt")
    await say(person, first.thread_id, "interrupt")

    assert await status_of(reply) == "completed"
    assert [(await places_of(person, each))[-1] for each in waiting] == [1, 2]


async def test_of_two_interruptions_the_later_comes_first():
    person = await someone()
    thread_id, _ = await a_busy_thread(person)
    earlier = await say(person, thread_id, "interrupt")

    later = await say(person, thread_id, "interrupt")

    assert await places_of(person, later) == [1]
    assert await places_of(person, earlier) == [1, 2]


async def test_a_free_thread_is_not_interrupted():
    person = await someone()

    reply = await say(person, on_busy="interrupt")

    assert reply.status == "running"
    assert [event["type"] for event in await told(person.id)] == ["message_added"]


async def test_a_full_queue_is_busy_to_an_interruption_too_and_stops_nothing():
    person = await someone()
    thread_id, run = await a_busy_thread(person)
    for _ in range(chat_settings().queue_per_thread):
        await say(person, thread_id)

    with pytest.raises(Busy):
        await say(person, thread_id, "interrupt")

    assert (await in_database(now_of, run)).cancel_requested_at is None


async def test_the_stop_is_of_the_transaction_that_accepts():
    """A process that dies right after it leaves a run that its worker stops."""
    person = await someone()
    thread_id, run = await a_busy_thread(person)
    message = UserMessage(content="now", thread_id=uuid.UUID(thread_id), on_busy="interrupt")

    await in_database(conversation._accept, a_context(person), message)

    assert await in_database(claims.renew_leases, run.worker, [run.pk]) == {run.pk: True}


async def test_a_place_that_was_told_late_is_corrected():
    """Of two processes that tell at once, the later may have looked earlier."""
    person = await someone()
    thread_id, _ = await a_busy_thread(person)
    reply = await say(person, thread_id)
    run = await in_database(Run.objects.get, pk=reply.run_id)

    await ending.tell_positions([(7, run)])

    assert await places_of(person, reply) == [1, 7, 1]
