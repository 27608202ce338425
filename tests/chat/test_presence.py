"""Who is taken for online: from the first socket to the end of the grace after the last."""

import asyncio
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from chatrouting.chat import presence
from chatrouting.chat.models import Presence
from chatrouting.conf import chat_settings
from chatrouting.connections import registry
from chatrouting.database import in_database
from chatrouting.stream.doorbell import Signal, channel_layer, ring_signal, user_group
from chatrouting.threads.models import ThreadMember
from tests.agents.accepted import a_person, a_thread
from tests.chat.circle import a_thread_of, someone
from tests.connections.rows import a_row, open_row
from tests.connections.statements import statements


@pytest.fixture
def process(services):
    process_id = registry.begin_process()
    yield process_id
    registry.end_process(process_id)


def grace_is_over(user_id):
    late = timezone.now() - timedelta(seconds=chat_settings().presence_grace_seconds + 1)
    Presence.objects.filter(user_id=user_id, left_at__isnull=False).update(left_at=late)


def is_online(user_id):
    return Presence.objects.filter(user_id=user_id).exists()


def second(row):
    """Another socket of the same user."""
    other = a_row(row.process_id)
    other.user_id = row.user_id
    return other


def test_the_first_socket_of_a_user_brings_them_online(process):
    row = a_row(process)

    assert open_row(row).first
    assert not open_row(second(row)).first


def test_who_has_another_socket_does_not_leave(process):
    row = a_row(process)
    other = second(row)
    for each in (row, other):
        open_row(each)

    registry.close_connections([row.pk])
    grace_is_over(row.user_id)

    assert str(row.user_id) not in registry.sweep_gone()


def test_who_left_is_offline_when_the_grace_is_over_and_only_once(process):
    row = a_row(process)
    open_row(row)
    registry.close_connections([row.pk])
    assert str(row.user_id) not in registry.sweep_gone()

    grace_is_over(row.user_id)

    assert str(row.user_id) in registry.sweep_gone()
    assert str(row.user_id) not in registry.sweep_gone()
    assert not is_online(row.user_id)


def test_who_comes_back_within_the_grace_was_never_gone(process):
    row = a_row(process)
    open_row(row)
    registry.close_connections([row.pk])

    assert not open_row(second(row)).first
    grace_is_over(row.user_id)
    assert str(row.user_id) not in registry.sweep_gone()


def test_who_is_noted_as_gone_and_has_a_socket_stays(process):
    """Two processes that close and open at once may note it in the wrong order."""
    row = a_row(process)
    open_row(row)
    presence.left([row.user_id])
    grace_is_over(row.user_id)

    assert str(row.user_id) not in registry.sweep_gone()
    assert Presence.objects.get(user_id=row.user_id).left_at is None


def test_whoever_was_on_a_dead_process_begins_to_leave(process):
    """Row 59."""
    row = a_row(process)
    open_row(row)

    registry.end_process(process)
    grace_is_over(row.user_id)

    assert str(row.user_id) in registry.sweep_gone()


def test_the_online_people_are_those_of_shared_threads_each_once():
    owner, other, offline, stranger = (a_person() for _ in range(4))
    for thread in (a_thread(owner), a_thread(owner)):
        for person in (other, offline):
            ThreadMember.objects.create(thread=thread, user_id=person.id)
    for person in (owner, other, stranger):
        presence.came([person.id])

    found = presence.online_peers([owner.id, offline.id, stranger.id])

    assert found == {owner.id: [other.id], offline.id: sorted([owner.id, other.id])}


async def test_a_greeting_costs_one_query(services):
    person = await in_database(a_person)

    def asked():
        with statements() as sent:
            presence.online_peers([person.id])
        return len(sent)

    assert await in_database(asked) == 1


async def test_all_sockets_of_one_user_are_greeted_at_once(services):
    person, peer = await someone(), await someone()
    await a_thread_of(peer, person)
    await in_database(presence.came, [peer.id])
    shown = [[] for _ in range(3)]

    await asyncio.gather(
        *(presence.greet(person.id, first=False, show=each.append) for each in shown)
    )

    assert [[json.loads(text)["payload"] for text in each] for each in shown] == [
        [{"user_id": peer.id, "online": True}]
    ] * 3


@pytest.fixture
async def watched(services):
    """Somebody online, and what they are shown of somebody who shares a thread with them and is not."""
    peer, gone = await someone(), await someone()
    await a_thread_of(peer, gone)
    await in_database(presence.came, [peer.id])
    layer = channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(user_group(peer.id), channel)

    async def shown():
        await ring_signal(peer.id, Signal("null"))
        said = []
        while (signal := json.loads((await layer.receive(channel))["text"])) is not None:
            said.append(signal["payload"])
        assert all(each["user_id"] == gone.id for each in said)
        return [each["online"] for each in said]

    yield gone, shown
    layer.release(channel)


async def test_who_is_gone_is_shown_to_be_offline(watched):
    gone, shown = watched

    await presence.tell_gone([gone.id])

    assert await shown() == [False]


async def test_who_is_back_before_it_is_told_was_never_gone(watched):
    gone, shown = watched
    await in_database(presence.came, [gone.id])

    await presence.tell_gone([gone.id])

    assert await shown() == []


async def test_who_comes_back_while_it_is_told_is_shown_to_be_online_in_the_end(
    watched, monkeypatch
):
    """Their own process may have told it before."""
    gone, shown = watched

    async def ring_and_come(user_id, signal):
        await ring_signal(user_id, signal)
        await in_database(presence.came, [gone.id])

    monkeypatch.setattr(presence, "ring_signal", ring_and_come)
    await presence.tell_gone([gone.id])

    assert await shown() == [False, True]
