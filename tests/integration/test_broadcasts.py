"""Telling many at once, on a running server."""

import uuid

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from chatrouting.chat.broadcasts import PERMISSION
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.database import in_database
from chatrouting.stream.valkey import valkey
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import allow, make_people, make_person
from tests.agents.waiting import until
from tests.stream.streams import meta_key


def allowed(name: str):
    return allow(make_person(name), PERMISSION)


def robbed(person):
    """The person has no permission any more."""
    get_user_model().objects.get(pk=person.user_id).user_permissions.clear()


@pytest.fixture
async def sender(services):
    return await in_database(allowed, "sender")


@pytest.fixture
async def people(services):
    return await in_database(make_people, 3)


@pytest.fixture(autouse=True)
async def alone(worker):
    """What another test had told to all is not being told any more, when the people of this one come."""
    untold = Broadcast.objects.filter(completed_at=None)
    await until(lambda: in_database(lambda: not untold.exists()), seconds=30)


async def test_a_broadcast_to_all_reaches_every_connected_user_once(web, worker, sender, people):
    """Row 72: and is in the stream of those who are away."""
    a, b, away = people
    async with (
        await web.connect(sender) as s,
        await web.connect(a) as first,
        await web.connect(b) as second,
    ):
        sent = await s.ask("broadcast", content="Maintenance at 5", audience={"all": True})
        assert sent["type"] == "broadcast_sent"
        assert sent["payload"]["users"] >= 4
        for each in (s, first, second):
            told = await each.expect_event("system_message", content="Maintenance at 5")
            assert told["payload"]["scope"] == "all"
            await each.assert_silent()
    async with await web.connect(away) as back:
        assert back.welcome["seq"] == 1


def the_first(people):
    return {"users": [people[0].user_id]}, 1


def all_but_the_second_and_the_sender(people):
    active = get_user_model().objects.filter(is_active=True).count()
    return {"exclude": [each.user_id for each in people[1:]]}, active - 2


def holders_of_what_the_first_holds(people):
    """By a permission that is made for it: nobody but the superusers of other tests has it too."""
    kind = ContentType.objects.get_for_model(Broadcast)
    name = f"hears_{uuid.uuid4().hex}"
    Permission.objects.create(content_type=kind, codename=name, name=name)
    allow(people[0], f"chatrouting_chat.{name}")
    roots = get_user_model().objects.filter(is_active=True, is_superuser=True).count()
    return {"permission": f"chatrouting_chat.{name}"}, 1 + roots


@pytest.mark.parametrize(
    "chosen", [the_first, all_but_the_second_and_the_sender, holders_of_what_the_first_holds]
)
async def test_a_broadcast_to_some_reaches_exactly_those(web, worker, sender, people, chosen):
    """Rows 73, 74: once each, and it says how many they are."""
    a, b, _ = people
    async with (
        await web.connect(sender) as s,
        await web.connect(a) as first,
        await web.connect(b) as second,
    ):
        audience, users = await in_database(chosen, (a, b, sender))
        sent = await s.ask("broadcast", content="x", audience=audience, level="critical")
        assert sent["payload"] == {"users": users, "duplicate": False}
        told = await first.expect_event("system_message")
        assert told["payload"] == {"content": "x", "level": "critical", "scope": "some"}
        await first.assert_silent()
        await second.assert_silent()
        await s.assert_silent()


async def test_who_could_not_be_told_is_counted_and_told_after_the_repair(
    web, worker, sender, services
):
    """Row 115: of 4 recipients 2 fail: 2 delivered, 2 counted; after repair both have it."""
    people = await in_database(make_people, 4)
    damaged, whole = people[:2], people[2:]
    for each in damaged:
        await valkey().call("SET", meta_key(each.user_id), "no hash")
    audience = {"users": [each.user_id for each in people]}
    async with await web.connect(sender) as s:
        sent = await s.ask("broadcast", content="x", audience=audience)
        assert sent["payload"]["users"] == 4
    for each in whole:
        await told(web, each)
    untold = Undelivered.objects.filter(user_id__in=[each.user_id for each in damaged])
    await until(lambda: in_database(lambda: untold.count() == 2))

    for each in damaged:
        await valkey().call("DEL", meta_key(each.user_id))

    await until(lambda: in_database(lambda: not untold.exists()), 20)
    for each in damaged:
        await told(web, each)


async def told(web, person):
    """Wait until the person's stream has the one event."""

    async def there():
        async with await web.connect(person) as client:
            return client.welcome["seq"] == 1

    await until(there)


async def test_a_repeated_broadcast_is_sent_once(web, worker, sender, people):
    """Row 23."""
    audience = {"users": [people[0].user_id]}
    async with await web.connect(sender) as s, await web.connect(people[0]) as a:
        first = await s.ask("broadcast", id="b1", content="x", audience=audience)
        second = await s.ask("broadcast", id="b1", content="x", audience=audience)
        assert second["payload"] == {**first["payload"], "duplicate": True}
        await a.expect_event("system_message")
        await a.assert_silent()


async def test_a_repeated_one_is_answered_as_before_though_its_sender_may_no_more(
    web, sender, people
):
    """Row 23: and the next one is denied."""
    asked = {"content": "x", "audience": {"users": [people[0].user_id]}}
    async with await web.connect(sender) as s:
        first = await s.ask("broadcast", id="b1", **asked)
        await in_database(robbed, sender)

        second = await s.ask("broadcast", id="b1", **asked)
        third = await s.ask("broadcast", id="b2", **asked)

    assert second["payload"] == {**first["payload"], "duplicate": True}
    assert_error(third, "b2", "permission_denied")


async def test_a_broadcast_without_the_permission_is_denied_and_audited(web, people):
    """Row 74: `permission_denied`, and it stands in the audit log."""
    person = people[0]
    async with await web.connect(person) as a:
        refused = await a.ask("broadcast", id="b2", content="x", audience={"all": True})
        assert_error(refused, "b2", "permission_denied")
        await a.assert_silent()
    logged = LogEntry.objects.filter(user_id=person.user_id)
    assert "Refused" in await in_database(lambda: logged.get().change_message)


async def test_an_audience_of_two_kinds_is_refused_by_name(web, sender):
    """Row 17."""
    async with await web.connect(sender) as s:
        audience = {"all": True, "users": ["1"]}
        refused = await s.ask("broadcast", id="b3", content="x", audience=audience)
        assert_error(refused, "b3", "invalid_payload", field="payload.audience")
