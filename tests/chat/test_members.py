"""Letting people into a thread and out of it, as handlers do it, and how it is told."""

import asyncio
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction

from chatrouting.chat import members, turnover
from chatrouting.chat.member_messages import AddMember, RemoveMember
from chatrouting.conf import ChatSettings
from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads import membership
from chatrouting.threads.messages import MembersChanged
from routing_core.errors import NotFound, PermissionDenied, RateLimited
from tests.agents.accepted import a_person, a_thread
from tests.chat.asking import a_context
from tests.chat.test_conversation import told


@pytest.fixture
async def owner(services):
    return await in_database(sharing_person)


def sharing_person():
    person = a_person()
    user = get_user_model().objects.get(pk=person.id)
    user.user_permissions.add(Permission.objects.get(codename="share"))
    return person


@pytest.fixture
async def thread(owner):
    return await in_database(a_thread, owner)


@pytest.fixture
async def other(services):
    return await in_database(a_person)


async def add(owner, thread, person, id=""):
    message = AddMember(thread_id=thread.pk, username=person.name)
    return await members.add_member(a_context(owner, id), message)


async def remove(owner, thread, person):
    message = RemoveMember(thread_id=thread.pk, username=person.name)
    return await members.remove_member(a_context(owner), message)


def added_quietly(owner, thread, person):
    """As by a process that is killed before it tells."""
    with transaction.atomic():
        membership.add(owner.id, thread.pk, person.name)


def removed_quietly(owner, thread, person):
    with transaction.atomic():
        membership.remove(owner.id, thread.pk, person.name)


async def types(person):
    return [event["type"] for event in await told(person.id)]


async def test_all_are_told_of_who_is_in_the_thread(owner, thread, other):
    reply = await add(owner, thread, other)

    shown = [
        {"user_id": owner.id, "name": owner.name, "role": "owner"},
        {"user_id": other.id, "name": other.name, "role": "member"},
    ]
    for person in (owner, other):
        (event,) = await told(person.id)
        assert (event["type"], event["thread_id"]) == ("members_changed", str(thread.pk))
        assert event["payload"] == {"members": shown}
    assert [each.user_id for each in reply.members] == [owner.id, other.id]


async def test_who_is_removed_is_told_that_the_thread_is_gone(owner, thread, other):
    await add(owner, thread, other)
    reply = await remove(owner, thread, other)

    assert await types(other) == ["members_changed", "thread_removed"]
    assert (await told(owner.id))[-1]["payload"]["members"][0]["user_id"] == owner.id
    assert [each.user_id for each in reply.members] == [owner.id]


async def test_a_removed_member_is_sent_nothing_by_who_still_takes_them_for_one(
    owner, thread, other
):
    """Row 75: a removed member gets nothing more, at once."""
    await add(owner, thread, other)
    await remove(owner, thread, other)

    stale = Event(MembersChanged(members=[]), thread.pk)
    records = await publish([owner.id, other.id], stale)

    assert [record.owner for record in records] == [owner.id]
    assert (await types(other))[-1] == "thread_removed"


async def test_who_is_added_again_is_told_of_everything_again(owner, thread, other):
    await add(owner, thread, other)
    await remove(owner, thread, other)
    await add(owner, thread, other)
    await publish([other.id], Event(MembersChanged(members=[]), thread.pk))

    assert await types(other) == [
        "members_changed",
        "thread_removed",
        "members_changed",
        "members_changed",
    ]


async def test_what_a_killed_process_kept_back_is_told_in_order(owner, thread, other):
    """Row 75: no removed member goes on receiving, no added one stays uninformed."""
    await in_database(added_quietly, owner, thread, other)
    await in_database(removed_quietly, owner, thread, other)
    assert await types(other) == []

    await turnover.tell_turnover(thread.pk)

    assert await types(other) == ["members_changed", "thread_removed"]
    assert await publish([other.id], Event(MembersChanged(members=[]), thread.pk)) == []


async def test_who_was_held_up_brings_nothing_back(owner, thread, other):
    await in_database(added_quietly, owner, thread, other)
    held_up = await in_database(membership.untold, thread.pk)
    await remove(owner, thread, other)

    for change in held_up:
        await turnover._tell(change)

    assert await types(other) == ["members_changed", "thread_removed"]
    assert len(await told(owner.id)) == 2
    assert await publish([other.id], Event(MembersChanged(members=[]), thread.pk)) == []


async def test_two_who_tell_at_once_tell_it_once(owner, thread, other):
    await in_database(added_quietly, owner, thread, other)
    await in_database(removed_quietly, owner, thread, other)

    await asyncio.gather(turnover.tell_turnover(thread.pk), turnover.tell_turnover(thread.pk))

    assert await types(other) == ["members_changed", "thread_removed"]
    assert await types(owner) == ["members_changed", "members_changed"]


async def test_adding_somebody_again_tells_nobody(owner, thread, other):
    await add(owner, thread, other)
    reply = await add(owner, thread, other)

    assert len(reply.members) == 2
    assert await types(owner) == ["members_changed"]


async def test_a_repeated_message_adds_once_and_counts_once(owner, thread, other, monkeypatch):
    """Row 23."""
    monkeypatch.setattr(members, "chat_settings", lambda: ChatSettings(shares_per_hour=1))
    first = await add(owner, thread, other, "same")

    again = await add(owner, thread, other, "same")

    assert (again.members, first.duplicate, again.duplicate) == (first.members, False, True)


async def test_names_can_be_tried_so_often_only(owner, thread, monkeypatch):
    monkeypatch.setattr(members, "chat_settings", lambda: ChatSettings(shares_per_hour=3))
    nobody = await in_database(a_person)
    await in_database(get_user_model().objects.filter(pk=nobody.id).update, is_active=False)
    for _ in range(3):
        with pytest.raises(NotFound):
            await add(owner, thread, nobody)

    with pytest.raises(RateLimited) as refused:
        await add(owner, thread, nobody)

    assert 3_500_000 < refused.value.retry_after_ms <= 3_600_000


async def test_who_may_not_share_spends_nothing(thread, other, monkeypatch):
    monkeypatch.setattr(members, "chat_settings", lambda: ChatSettings(shares_per_hour=1))
    plain = await in_database(a_person)
    own = await in_database(a_thread, plain)
    for _ in range(3):
        with pytest.raises(PermissionDenied):
            await add(plain, own, other)
        with pytest.raises(NotFound):
            await add(plain, thread, other)


async def test_nobody_types_in_a_thread_that_is_not_theirs(thread, other):
    """Row 80: as where there is none."""
    for thread_id in (thread.pk, uuid.uuid4()):
        message = members.UserTyping(thread_id=thread_id, is_typing=True)
        with pytest.raises(NotFound, match=r"^There is no such thread\.$"):
            await members.user_typing(a_context(other), message)
