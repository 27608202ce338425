"""Whom a broadcast is for."""

import uuid

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from msgspec import UNSET

from chatrouting.chat.audience import _keys, recipients
from chatrouting.chat.messages import Audience
from chatrouting.chat.models import Broadcast
from chatrouting.testing.people import make_people, make_person
from routing_core.errors import InvalidPayload

PERMISSION = "chatrouting_chat.broadcast"


@pytest.fixture(autouse=True)
def tables(services):
    """These tests ask the database."""


def ids(audience):
    return {str(pk) for pk in recipients(audience).values_list("pk", flat=True)}


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


def permission():
    return Permission.objects.get(codename="broadcast", content_type__app_label="chatrouting_chat")


def test_users_are_exactly_those():
    """Row 73."""
    a, b, _ = make_people(3)

    assert ids(Audience(users=[a.user_id, b.user_id, a.user_id])) == {a.user_id, b.user_id}


def test_exclude_is_all_but_those():
    """Row 73."""
    a, b = make_people(2)

    found = ids(Audience(exclude=[a.user_id]))

    assert b.user_id in found
    assert a.user_id not in found


@pytest.mark.parametrize("audience", [Audience(all=True), Audience(exclude=["0"])])
def test_nobody_whose_account_is_disabled_is_told(audience):
    gone = make_person(is_active=False)

    assert gone.user_id not in ids(audience)


def test_holders_of_a_permission_have_it_themselves_by_a_group_or_as_superuser():
    """Row 74: holders only, each once."""
    own, by_group, both, none = make_people(4)
    root = make_person("root", is_superuser=True)
    group = Group.objects.create(name=uuid.uuid4().hex)
    group.permissions.set(Permission.objects.filter(content_type=permission().content_type))
    for each in (own, both):
        user_of(each).user_permissions.add(permission())
    for each in (by_group, both):
        user_of(each).groups.add(group)

    found = [
        str(pk) for pk in recipients(Audience(permission=PERMISSION)).values_list("pk", flat=True)
    ]

    people = (own, by_group, both, none, root)
    assert [found.count(each.user_id) for each in people] == [1, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("audience", "field"),
    [
        (Audience(), "payload.audience"),
        (Audience(all=True, users=["1"]), "payload.audience"),
        (Audience(all=False), "payload.audience.all"),
        (Audience(users=["x"]), "payload.audience.users"),
        (Audience(exclude=["9" * 40]), "payload.audience.exclude"),
        (Audience(permission="chatrouting_chat.no_such"), "payload.audience.permission"),
        (Audience(permission="broadcast"), "payload.audience.permission"),
    ],
)
def test_what_is_no_audience_is_refused_by_name(audience, field):
    """Row 18: numbers and ids out of range are an error."""
    with pytest.raises(InvalidPayload) as refused:
        recipients(audience)

    assert refused.value.field == field


@pytest.mark.parametrize("kind", ["users", "exclude"])
@pytest.mark.parametrize("given", ["1_0", " 7 ", "\u0667", "+7", "07", "-0", "7.0", ""])
def test_another_spelling_of_an_id_is_none(kind, given):
    """Row 84: Python reads some of these as numbers, and would tell a person who was not named."""
    with pytest.raises(InvalidPayload) as refused:
        recipients(Audience(**{kind: [given]}))

    assert refused.value.field == f"payload.audience.{kind}"


@pytest.fixture
def users_by_uuid(monkeypatch):
    """As where a project's user model has such a key."""
    monkeypatch.setattr("chatrouting.chat.audience.get_user_model", lambda: Broadcast)


def test_ids_may_be_uuids(users_by_uuid):
    given = uuid.uuid4()

    assert _keys([str(given)], "users") == [given]


@pytest.mark.parametrize("spelled", [str.upper, "{{{}}}".format, "urn:uuid:{}".format])
def test_a_uuid_is_written_in_one_way(users_by_uuid, spelled):
    with pytest.raises(InvalidPayload):
        _keys([spelled(str(uuid.uuid4()))], "users")


def test_an_empty_field_of_an_audience_is_none():
    assert Audience(users=["1"]).exclude is UNSET
