"""Saying something and stopping the answer, as handlers do it."""

import asyncio
import uuid

import pytest
from msgspec import UNSET

from chatrouting.agents import runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome
from chatrouting.chat import conversation
from chatrouting.chat.conversation import start_agent, stop_agent, user_message
from chatrouting.chat.messages import StartAgent, StopAgent, UserMessage
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from routing_core.errors import Busy, InvalidPayload, NotFound
from tests.agents.accepted import a_person, ask, claimed, now_of
from tests.chat.asking import a_context
from tests.chat.told import told


async def someone():
    return await in_database(a_person)


async def say(person, content="hello", **fields):
    """Say it; the reply."""
    return await user_message(a_context(person), UserMessage(content=content, **fields))


async def row_of(reply):
    return await in_database(Run.objects.get, pk=reply.run_id)


async def test_a_first_message_makes_a_thread_with_a_title():
    """Row 71: a first message without a thread creates one."""
    person = await someone()

    reply = await say(person, "hello\nworld")

    thread = await in_database(Thread.objects.get, pk=reply.thread_id)
    assert (thread.title, str(thread.owner_id)) == ("hello", person.id)
    assert (reply.status, reply.duplicate) == ("running", False)


async def test_what_was_said_is_told_with_the_id_it_came_with():
    person = await someone()
    ctx = a_context(person)

    reply = await user_message(ctx, UserMessage(content="hello"))

    (event,) = await told(person.id)
    assert event["payload"] == {
        "message_id": reply.message_id,
        "role": "user",
        "author": {"user_id": person.id, "name": person.name},
        "content": "hello",
        "client_id": ctx.request.id,
    }
    assert event["thread_id"] == reply.thread_id


async def test_a_member_sees_the_message_without_the_authors_id_for_it():
    person, member = await someone(), await someone()
    first = await say(person)
    await in_database(
        ThreadMember.objects.create, thread_id=first.thread_id, user_id=int(member.id)
    )

    await say(person, "second", thread_id=uuid.UUID(first.thread_id))

    event = (await told(member.id))[0]
    assert event["payload"]["content"] == "second"
    assert "client_id" not in event["payload"]


async def test_a_repeated_message_is_told_once():
    """Row 23."""
    ctx = a_context(await someone())
    first = await user_message(ctx, UserMessage(content="hello"))

    again = await user_message(ctx, UserMessage(content="hello"))

    assert (again.duplicate, again.run_id) == (True, first.run_id)
    assert len(await told(ctx.user.id)) == 1


async def test_a_message_on_a_busy_thread_is_queued_and_told_its_place():
    person = await someone()
    first = await say(person)

    second = await say(person, thread_id=uuid.UUID(first.thread_id))

    assert second.status == "queued"
    last = (await told(person.id))[-1]
    assert (last["type"], last["payload"]) == ("run_queued", {"position": 1})


async def test_a_busy_thread_may_be_declined():
    """on_busy reject: nothing is kept of the message."""
    person = await someone()
    first = await say(person)

    with pytest.raises(Busy):
        await say(person, thread_id=uuid.UUID(first.thread_id), on_busy="reject")

    count = ThreadMessage.objects.filter(thread_id=first.thread_id).count
    assert await in_database(count) == 1


async def test_a_full_queue_is_busy_and_keeps_nothing():
    person = await someone()
    first = await say(person)
    thread_id, queued = uuid.UUID(first.thread_id), chat_settings().queue_per_thread
    for _ in range(queued):
        await say(person, thread_id=thread_id)

    with pytest.raises(Busy):
        await say(person, thread_id=thread_id)

    count = ThreadMessage.objects.filter(thread_id=thread_id).count
    assert await in_database(count) == queued + 1


async def test_anothers_thread_is_like_a_missing_one():
    """Row 80."""
    mine, other = await someone(), await someone()
    theirs = await say(other)

    with pytest.raises(NotFound) as anothers:
        await say(mine, thread_id=uuid.UUID(theirs.thread_id))
    with pytest.raises(NotFound) as missing:
        await say(mine, thread_id=uuid.uuid4())

    assert str(anothers.value) == str(missing.value)
    assert await told(mine.id) == []
    assert len(await told(other.id)) == 1


async def test_an_unknown_agent_is_refused_by_its_field():
    with pytest.raises(InvalidPayload) as refused:
        await say(await someone(), agent="nobody")

    assert refused.value.field == "payload.agent"


async def test_the_default_agent_answers_where_none_is_named():
    reply = await say(await someone(), agent=UNSET)

    assert (await row_of(reply)).agent == "demo"


async def test_an_agent_that_is_started_by_name_answers():
    ctx = a_context(await someone())

    replies = [await start_agent(ctx, StartAgent(agent="demo", content="hello")) for _ in range(2)]

    row = await row_of(replies[0])
    assert (row.agent, row.status) == ("demo", "running")
    assert [reply.duplicate for reply in replies] == [False, True]
    assert replies[0].run_id == replies[1].run_id


async def test_an_unknown_agent_is_not_started():
    with pytest.raises(InvalidPayload) as refused:
        await start_agent(a_context(await someone()), StartAgent(agent="nobody", content="hello"))

    assert refused.value.field == "payload.agent"


async def test_fifty_messages_at_once_are_fifty_runs():
    """Row 34: 5 users × 10 messages in parallel."""
    people = [await someone() for _ in range(5)]

    replies = await asyncio.gather(*(say(person, f"{n}") for person in people for n in range(10)))

    assert len({reply.run_id for reply in replies}) == 50
    running = [reply for reply in replies if reply.status == "running"]
    assert len(running) == 5 * chat_settings().runs_per_user


async def stop(person, run_id):
    return await stop_agent(a_context(person), StopAgent(run_id=uuid.UUID(str(run_id))))


async def test_a_run_that_has_not_begun_is_ended_at_once():
    """A run that ends before it starts: attempt 0 and empty content."""
    person = await someone()
    reply = await say(person)

    stopping = await stop(person, reply.run_id)

    end = (await told(person.id))[-1]
    assert stopping.status == "completed"
    assert (end["type"], end["run_id"]) == ("agent_completed", reply.run_id)
    payload = end["payload"]
    assert (payload["outcome"], payload["attempt"], payload["content"]) == ("cancelled", 0, "")


async def test_stopping_twice_is_no_error_and_ends_it_once():
    """Row 97: exactly once."""
    person = await someone()
    reply = await say(person)

    answers = [await stop(person, reply.run_id) for _ in range(3)]

    assert {answer.status for answer in answers} == {"completed"}
    ends = [event for event in await told(person.id) if event["type"] == "agent_completed"]
    assert len(ends) == 1


async def test_eight_stops_at_once_end_it_once():
    person = await someone()
    reply = await say(person)

    answers = await asyncio.gather(*(stop(person, reply.run_id) for _ in range(8)))

    assert {answer.status for answer in answers} == {"completed"}
    ends = [event for event in await told(person.id) if event["type"] == "agent_completed"]
    assert len(ends) == 1


async def test_a_run_at_work_is_asked_to_stop():
    person = await someone()
    reply = await say(person)
    await in_database(claimed, await row_of(reply))

    stopping = await stop(person, reply.run_id)

    assert stopping.status == "running"
    assert (await row_of(reply)).cancel_requested_at is not None


async def test_stopping_a_finished_run_changes_nothing():
    person = await someone()
    reply = await say(person)
    run = await in_database(claimed, await row_of(reply))
    await in_database(runs.end, run, runs.Ending(Outcome.SUCCESS, "answer"))

    stopping = await stop(person, reply.run_id)

    row = await in_database(now_of, run)
    assert (stopping.status, row.outcome) == ("completed", "success")
    assert row.cancel_requested_at is None


async def test_stopping_a_queued_run_lets_those_behind_it_move_up():
    person = await someone()
    first = await say(person)
    thread_id = uuid.UUID(first.thread_id)
    second, third = await say(person, thread_id=thread_id), await say(person, thread_id=thread_id)

    await stop(person, second.run_id)

    last = (await told(person.id))[-1]
    assert (last["type"], last["run_id"]) == ("run_queued", third.run_id)
    assert last["payload"] == {"position": 1}


async def test_stopping_the_active_run_admits_the_next():
    person = await someone()
    first = await say(person)
    second = await say(person, thread_id=uuid.UUID(first.thread_id))

    await stop(person, first.run_id)

    assert (await row_of(second)).status == "running"


async def test_anothers_run_is_like_a_missing_one():
    """Row 80."""
    mine, other = await someone(), await someone()
    theirs = await say(other)

    with pytest.raises(NotFound) as anothers:
        await stop(mine, theirs.run_id)
    with pytest.raises(NotFound) as missing:
        await stop(mine, uuid.uuid4())

    assert str(anothers.value) == str(missing.value)
    assert (await row_of(theirs)).status == "running"


async def test_a_run_whose_turn_came_before_it_was_told_its_place_is_told_none():
    """`position` 1 is next: there is no place 0."""
    person = await someone()
    first = await say(person)

    def raced():
        thread = Thread.objects.get(pk=first.thread_id)
        queued = ask(thread)
        runs.end(Run.objects.get(pk=first.run_id), runs.Ending(Outcome.SUCCESS))
        return queued

    queued = await in_database(raced)
    await conversation._tell_places(conversation._Said(queued.question, queued))

    assert [event["type"] for event in await told(person.id)] == ["message_added"]
