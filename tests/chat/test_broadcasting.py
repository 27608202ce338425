"""A broadcast is told in batches, from where it stands, each user once."""

import math
import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone

from chatrouting import counters
from chatrouting.chat import broadcasting, broadcasts
from chatrouting.chat.broadcasts import keep
from chatrouting.chat.messages import Audience, SendBroadcast
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.database import in_database
from chatrouting.stream.publishing import event_log
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_people
from chatrouting.threads.rules import Person
from routing_core.errors import PermissionDenied
from tests.chat.asking import a_context
from tests.stream.streams import meta_key


@pytest.fixture
async def people(services):
    return await in_database(make_people, 8)


def kept(people):
    message = SendBroadcast(
        content=uuid.uuid4().hex, audience=Audience(users=[each.user_id for each in people])
    )
    with transaction.atomic():
        return keep(None, message)


async def heights(people):
    return [top.seq for top in await event_log().tops([each.user_id for each in people])]


async def again(broadcast):
    return await in_database(Broadcast.objects.get, pk=broadcast.pk)


async def test_everybody_is_told_once_in_batches(people):
    broadcast, seen = await in_database(kept, people), []

    assert await broadcasting.tell(broadcast.pk, lambda told: seen.append(told.reached), batch=3)

    assert await heights(people) == [1] * 8
    assert seen == [3, 6, 8]
    assert (await again(broadcast)).completed_at is not None


def holding_twice(people):
    """To who has a permission: these people themselves and by two groups, and the superusers of other tests."""
    kind, name = ContentType.objects.get_for_model(Broadcast), uuid.uuid4().hex
    held = Permission.objects.create(content_type=kind, codename=name, name=name)
    users = get_user_model().objects.filter(pk__in=[each.user_id for each in people])
    held.user_set.set(users)
    for number in range(2):
        group = Group.objects.create(name=f"{name} {number}")
        group.permissions.add(held)
        group.user_set.set(users)
    with transaction.atomic():
        audience = Audience(permission=f"chatrouting_chat.{name}")
        return keep(None, SendBroadcast(content=name, audience=audience))


@pytest.mark.parametrize("batch", [1, broadcasting.BATCH])
async def test_who_has_a_permission_twice_is_told_once_and_counts_once(people, batch):
    """Row 74: whether the next batch begins right after them or not."""
    roots = get_user_model().objects.filter(is_active=True, is_superuser=True)
    holders = len(people) + await in_database(roots.count)
    broadcast, seen = await in_database(holding_twice, people), []

    await broadcasting.tell(broadcast.pk, lambda told: seen.append(told.reached), batch=batch)

    assert await heights(people) == [1] * 8
    assert (broadcast.total, seen[-1]) == (holders, holders)
    assert len(seen) == math.ceil(holders / batch)


async def test_one_that_is_done_is_not_told_again(people):
    broadcast = await in_database(kept, people)
    await broadcasting.tell(broadcast.pk)

    assert not await broadcasting.tell(broadcast.pk)

    assert await heights(people) == [1] * 8


async def test_one_process_at_a_time_tells_it(people):
    broadcast = await in_database(kept, people)
    await in_database(
        Broadcast.objects.filter(pk=broadcast.pk).update,
        held_until=timezone.now() + broadcasting.HELD,
    )

    assert not await broadcasting.tell(broadcast.pk)

    assert await heights(people) == [0] * 8


class Killed(Exception):
    """The process dies here."""


async def test_a_crash_between_batches_loses_nobody_and_tells_nobody_twice(people):
    """The next process goes on from the last batch that was noted, once the dead one's hold is over."""
    broadcast = await in_database(kept, people)

    def die(told):
        if told.reached == 6:
            raise Killed

    with pytest.raises(Killed):
        await broadcasting.tell(broadcast.pk, die, batch=3)
    assert await heights(people) == [1] * 6 + [0] * 2

    await in_database(Broadcast.objects.filter(pk=broadcast.pk).update, held_until=timezone.now())
    assert await broadcasting.tell(broadcast.pk)

    assert await heights(people) == [1] * 8


async def test_a_batch_that_was_told_and_not_noted_counts_once(people):
    """A crash between the append and its note: the same batch is told again under the same key."""
    broadcast = await in_database(kept, people)
    await broadcasting.tell(broadcast.pk)
    await in_database(
        Broadcast.objects.filter(pk=broadcast.pk).update, after="", reached=0, completed_at=None
    )

    await broadcasting.tell(broadcast.pk)

    assert await heights(people) == [1] * 8


async def test_a_stream_that_refuses_it_keeps_no_other_back_and_gets_it_once_repaired(people):
    """Rows 98, 115: of 8 recipients 2 fail: 6 delivered, 2 counted; after repair they have it too."""
    broken, whole = people[:2], people[2:]
    refused = counters.events_lost.labels("stream_refused")
    before = refused._value.get()
    for each in broken:
        await valkey().call("SET", meta_key(each.user_id), "no hash")
    broadcast = await in_database(kept, people)
    await broadcasting.tell(broadcast.pk)
    assert (await again(broadcast)).reached == 6
    assert refused._value.get() == before + 2
    assert await heights(whole) == [1] * 6

    for each in broken:
        await valkey().call("DEL", meta_key(each.user_id))
    waiting = Undelivered.objects.filter(broadcast=broadcast).select_related("broadcast")
    for undelivered in await in_database(list, waiting):
        await broadcasting._try_again(undelivered)

    assert await heights(people) == [1] * 8
    assert (await again(broadcast)).reached == 8
    assert not await in_database(waiting.all().exists)


async def test_a_stream_that_goes_on_refusing_is_tried_less_and_less_and_then_listed(people):
    """Row 49: retried with growing delay at most N times, and never forgotten."""
    await valkey().call("SET", meta_key(people[0].user_id), "no hash")
    broadcast = await in_database(kept, people[:1])
    await broadcasting.tell(broadcast.pk)
    pauses = []
    for _ in range(broadcasting.TRIES - 1):
        row = await in_database(
            Undelivered.objects.select_related("broadcast").get, broadcast=broadcast
        )
        pauses.append(round((row.due_at - timezone.now()).total_seconds()))
        await broadcasting._try_again(row)

    row = await in_database(Undelivered.objects.get, broadcast=broadcast)
    assert pauses == [5, 10, 20, 40, 80, 160, 320]
    assert (row.tries, row.due_at) == (broadcasting.TRIES, None)


async def test_a_broadcast_of_an_account_that_is_gone_is_refused(people):
    """Its socket is open for a moment after the deletion; the admin's log names nobody then."""
    gone = Person(people[0].user_id, people[0].name)
    await in_database(get_user_model().objects.filter(pk=gone.id).delete)
    message = SendBroadcast(content="x", audience=Audience(all=True))

    with pytest.raises(PermissionDenied):
        await broadcasts.broadcast(a_context(gone), message)


async def test_one_whose_audience_is_gone_keeps_no_other_back(people):
    """Its permission was deleted since it was accepted: it is done, and who comes after it is told."""

    def two():
        return Broadcast.objects.create(
            content="x", level="info", audience={"permission": "no.more"}, total=1
        ), kept(people)

    nobody, everybody = await in_database(two)

    await broadcasting._tell_due()

    assert await heights(people) == [1] * 8
    assert (await again(nobody)).completed_at is not None
    assert (await again(everybody)).completed_at is not None


async def test_one_that_fails_keeps_no_other_back(people, monkeypatch):
    bad, good = await in_database(lambda: (kept(people[:1]), kept(people)))
    event = broadcasting._event

    def told(held):
        if held.pk == bad.pk:
            raise RuntimeError("no")
        return event(held)

    monkeypatch.setattr(broadcasting, "_event", told)
    await broadcasting._tell_due()

    assert await heights(people) == [1] * 8
    assert (await again(good)).completed_at is not None
