"""Making and renaming threads, as handlers do it."""

import asyncio
import uuid

import pytest

from chatrouting.chat import outbox, titles
from chatrouting.chat.conversation import user_message
from chatrouting.chat.messages import UserMessage
from chatrouting.chat.thread_messages import CreateThread, RenameThread
from chatrouting.chat.threads import create_thread, rename_thread
from chatrouting.chat.titles import tell_title, untold_titles
from chatrouting.database import in_database
from chatrouting.threads.models import Thread
from routing_core.errors import NotFound, PermissionDenied
from tests.away import valkey_away
from tests.chat.asking import a_context
from tests.chat.circle import a_thread_of, someone
from tests.chat.told import told


async def rename(person, thread_id, title="other"):
    return await rename_thread(a_context(person), RenameThread(thread_id=thread_id, title=title))


async def titles_told(person):
    return [
        event["payload"]["title"]
        for event in await told(person.id)
        if event["type"] == "thread_updated"
    ]


async def row_of(thread_id):
    return await in_database(Thread.objects.get, pk=thread_id)


async def test_a_thread_is_made_with_its_title():
    person = await someone()

    reply = await create_thread(a_context(person), CreateThread(title=" My  plans\n"))

    thread = await row_of(reply.thread_id)
    assert (reply.title, reply.duplicate) == ("My plans", False)
    assert (thread.title, str(thread.owner_id)) == ("My plans", person.id)


async def test_the_owners_other_sockets_learn_of_a_new_thread():
    person = await someone()

    reply = await create_thread(a_context(person), CreateThread(title="My plans"))

    (event,) = await told(person.id)
    assert (event["type"], event["thread_id"]) == ("thread_updated", reply.thread_id)
    assert event["payload"] == {"title": "My plans", "updated_at": reply.updated_at}


async def test_a_repeated_message_makes_one_thread():
    """Row 23: the second answer equals the first with duplicate true."""
    ctx = a_context(await someone())

    replies = await asyncio.gather(*(create_thread(ctx, CreateThread(title="a")) for _ in range(4)))

    assert sorted(reply.duplicate for reply in replies) == [False, True, True, True]
    assert len({(reply.thread_id, reply.title, reply.updated_at) for reply in replies}) == 1
    assert await titles_told(ctx.user) == ["a"]


async def test_a_thread_without_a_title_is_named_after_what_is_said_first():
    person = await someone()
    made = await create_thread(a_context(person), CreateThread())

    for content in ("Where is Lyon?\nI forgot.", "And Nice?"):
        message = UserMessage(content=content, thread_id=uuid.UUID(made.thread_id))
        await user_message(a_context(person), message)

    assert made.title == "New thread"
    assert await titles_told(person) == ["New thread", "Where is Lyon?"]
    assert (await row_of(made.thread_id)).title == "Where is Lyon?"


async def test_a_title_that_was_given_is_kept():
    person = await someone()
    made = await create_thread(a_context(person), CreateThread(title="My plans"))

    message = UserMessage(content="hello", thread_id=uuid.UUID(made.thread_id))
    await user_message(a_context(person), message)

    assert (await row_of(made.thread_id)).title == "My plans"
    assert await titles_told(person) == ["My plans"]


async def test_every_member_is_told_of_another_title():
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    reply = await rename(owner, thread.pk, "New\tname")

    assert (reply.thread_id, reply.title) == (str(thread.pk), "New name")
    for person in (owner, member):
        (event,) = await told(person.id)
        assert event["payload"] == {"title": "New name", "updated_at": reply.updated_at}


async def test_only_the_owner_renames():
    """A member is told that it is not permitted, and nothing happens."""
    owner, member = await someone(), await someone()
    thread = await a_thread_of(owner, member)

    with pytest.raises(PermissionDenied):
        await rename(member, thread.pk)

    assert (await row_of(thread.pk)).title == "title"
    assert await told(owner.id) == await told(member.id) == []


async def test_anothers_thread_is_like_a_missing_one():
    """Row 80."""
    thread, stranger = await a_thread_of(await someone()), await someone()

    with pytest.raises(NotFound) as anothers:
        await rename(stranger, thread.pk)
    with pytest.raises(NotFound) as missing:
        await rename(stranger, uuid.uuid4())

    assert str(anothers.value) == str(missing.value)
    assert (await row_of(thread.pk)).title == "title"


async def test_a_title_that_could_not_be_told_is_told_by_the_sweep(tmp_path):
    """Row 53: what is committed is answered as accepted, and told later."""
    owner = await someone()
    thread = await a_thread_of(owner)
    with valkey_away(tmp_path):
        reply = await rename(owner, thread.pk, "late")
    assert (reply.title, await told(owner.id)) == ("late", [])
    assert thread.pk in await in_database(untold_titles)

    for due in outbox.DUE:
        await outbox._tell_late(due)

    assert await titles_told(owner) == ["late"]
    assert thread.pk not in await in_database(untold_titles)


async def test_the_last_title_told_is_the_true_one(monkeypatch):
    """Two rename at once, and who read the first title tells it after the second was told."""
    owner = await someone()
    thread = await a_thread_of(owner)
    publish, overtaken = titles.publish, []

    async def slow_publish(members, event):
        if not overtaken:
            overtaken.append(event)
            await rename(owner, thread.pk, "second")
        await publish(members, event)

    monkeypatch.setattr(titles, "publish", slow_publish)
    await rename(owner, thread.pk, "first")

    assert await titles_told(owner) == ["second", "first", "second"]


async def test_a_title_that_several_tell_at_the_same_time_is_told_once():
    """The sweep may come while its handler is at it."""
    owner = await someone()
    thread = await a_thread_of(owner)
    await rename(owner, thread.pk, "second")

    await asyncio.gather(*(tell_title(thread.pk) for _ in range(4)))

    assert await titles_told(owner) == ["second"]


async def test_a_title_is_told_anew_to_nobody_where_the_thread_is_gone():
    await tell_title(uuid.uuid4())
