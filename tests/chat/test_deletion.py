"""A deleted thread is gone at once for who asks, and told last of all."""

import asyncio
import uuid

import pytest

from chatrouting.agents.contract import Delta
from chatrouting.agents.supervisor import Stop
from chatrouting.chat.conversation import start_agent, stop_agent, user_message
from chatrouting.chat.member_messages import RemoveMember, UserTyping
from chatrouting.chat.members import remove_member, user_typing
from chatrouting.chat.messages import (
    ListThreads,
    RunStatusAsked,
    StartAgent,
    StopAgent,
    ThreadHistory,
    UserMessage,
)
from chatrouting.chat.reading import list_threads, run_status, thread_history
from chatrouting.chat.thread_messages import DeleteThread, RenameThread
from chatrouting.chat.threads import delete_thread, rename_thread
from chatrouting.database import in_database
from routing_core.errors import NotFound, PermissionDenied
from tests.agents.accepted import ask, claimed, now_of
from tests.chat.asking import a_context
from tests.chat.circle import a_thread_of, someone
from tests.chat.deleting import (
    at_work,
    delete,
    ends_told,
    is_there,
    types_told,
)
from tests.chat.told import told


async def test_every_member_is_told_and_nothing_is_left():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    reply = await delete(owner, thread)

    for person in (owner, member):
        (event,) = await told(person.id)
        assert (event["type"], event["thread_id"]) == ("thread_removed", str(thread.pk))
        assert event["payload"] == {}
    assert (reply.thread_id, reply.title) == (str(thread.pk), "title")
    assert not await is_there(thread)


async def test_only_the_owner_deletes():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    with pytest.raises(PermissionDenied):
        await delete(member, thread)

    assert await is_there(thread)
    assert await told(owner.id) == await told(member.id) == []


async def test_anothers_thread_is_like_a_missing_one():
    """Row 80."""
    thread, stranger = await a_thread_of(await someone()), await someone()

    with pytest.raises(NotFound) as anothers:
        await delete(stranger, thread)
    with pytest.raises(NotFound) as missing:
        await delete_thread(a_context(stranger), DeleteThread(thread_id=uuid.uuid4()))

    assert str(anothers.value) == str(missing.value)
    assert await is_there(thread)


async def test_runs_that_have_not_begun_end_before_the_thread_does():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    asked = [await in_database(ask, thread) for _ in range(3)]

    await delete(owner, thread)

    for person in (owner, member):
        assert await types_told(person) == ["agent_completed"] * 3 + ["thread_removed"]
        assert sorted(await ends_told(person)) == sorted(
            (str(run.pk), "cancelled", 0) for run in asked
        )


async def test_a_run_at_work_ends_before_the_thread_does():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)
    run = await in_database(ask, thread)
    queued = await in_database(ask, thread)
    supervisor, working = await at_work(run, Delta("so far"), 60.0)

    await delete(owner, thread)
    assert "thread_removed" not in await types_told(member)
    assert (await in_database(now_of, run)).cancel_requested_at is not None
    supervisor.stop(Stop.CANCELLED)
    await asyncio.wait_for(working, 5)

    for person in (owner, member):
        assert (await types_told(person))[-2:] == ["agent_completed", "thread_removed"]
        assert await ends_told(person) == [
            (str(queued.pk), "cancelled", 0),
            (str(run.pk), "cancelled", 1),
        ]
    assert not await is_there(thread)


async def messages_about(thread, run):
    """Every message that names a thread or a run, with its handler."""
    return [
        (user_message, UserMessage(content="hi", thread_id=thread.pk)),
        (start_agent, StartAgent(agent="demo", content="hi", thread_id=thread.pk)),
        (thread_history, ThreadHistory(thread_id=thread.pk)),
        (list_threads, ListThreads(before=thread.pk)),
        (rename_thread, RenameThread(thread_id=thread.pk, title="other")),
        (delete_thread, DeleteThread(thread_id=thread.pk)),
        (remove_member, RemoveMember(thread_id=thread.pk, username="somebody")),
        (user_typing, UserTyping(thread_id=thread.pk, is_typing=True)),
        (run_status, RunStatusAsked(run_id=run.pk)),
        (stop_agent, StopAgent(run_id=run.pk)),
    ]


async def test_a_thread_that_is_being_deleted_looks_like_a_missing_one():
    """Row 80: to every message, also while a worker still has to end its run."""
    owner = await someone()
    thread = await a_thread_of(owner)
    run = await in_database(lambda: claimed(ask(thread)))
    await delete(owner, thread)
    assert await is_there(thread)
    before = await told(owner.id)

    for handler, message in await messages_about(thread, run):
        with pytest.raises(NotFound):
            await handler(a_context(owner), message)

    assert (await list_threads(a_context(owner), ListThreads())).threads == []
    assert await told(owner.id) == before
