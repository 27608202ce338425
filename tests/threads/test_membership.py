"""Who may change the members of a thread, and what of it is to be told."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import transaction

from chatrouting.conf import ChatSettings
from chatrouting.threads import membership
from chatrouting.threads.messages import Member
from chatrouting.threads.models import MembershipChange, ThreadMember
from routing_core.errors import InvalidPayload, NotFound, PermissionDenied
from tests.agents.accepted import a_person, a_thread, owner_of


def may_share(person):
    """Give them the permission."""
    user = get_user_model().objects.get(pk=person.id)
    user.user_permissions.add(Permission.objects.get(codename="share"))
    return person


@pytest.fixture
def owner(services):
    return may_share(a_person())


@pytest.fixture
def thread(owner):
    return a_thread(owner)


def add(thread, username, asking=None):
    with transaction.atomic():
        return membership.add((asking or owner_of(thread)).id, thread.pk, username)


def remove(thread, username, asking=None):
    with transaction.atomic():
        membership.remove((asking or owner_of(thread)).id, thread.pk, username)


def kinds(thread):
    return [change.kind for change in membership.untold(thread.pk)]


def test_the_members_are_told_in_the_order_they_came(owner, thread):
    first, second = a_person(), a_person()
    for person in (second, first):
        add(thread, person.name)

    assert membership.members_of(thread.pk) == [
        Member(owner.id, owner.name, "owner"),
        Member(second.id, second.name, "member"),
        Member(first.id, first.name, "member"),
    ]


def test_somebody_is_added_once(thread):
    person = a_person()

    assert [add(thread, person.name), add(thread, person.name)] == [True, False]
    assert kinds(thread) == ["joined"]


@pytest.mark.parametrize("active", [None, False])
def test_an_unknown_and_an_inactive_person_look_the_same(thread, active):
    person = a_person()
    if active is None:
        get_user_model().objects.get(pk=person.id).delete()
    else:
        get_user_model().objects.filter(pk=person.id).update(is_active=active)

    with pytest.raises(NotFound, match=r"^There is no such person\.$"):
        add(thread, person.name)


def test_an_owner_without_the_permission_may_not_add():
    thread = a_thread()

    with pytest.raises(PermissionDenied):
        add(thread, a_person().name)


def test_a_member_may_not_add_whatever_they_may_elsewhere(thread):
    member = may_share(a_person())
    add(thread, member.name)

    with pytest.raises(PermissionDenied):
        add(thread, a_person().name, member)


def test_a_stranger_finds_no_thread_to_add_to_or_remove_from(owner, thread):
    """Row 80: as where there is none."""
    stranger = may_share(a_person())
    for act in (membership.add, membership.remove):
        for thread_id in (thread.pk, uuid.uuid4()):
            with (
                pytest.raises(NotFound, match=r"^There is no such thread\.$"),
                transaction.atomic(),
            ):
                act(stranger.id, thread_id, owner.name)


def test_a_thread_has_room_for_so_many(thread, monkeypatch):
    monkeypatch.setattr(membership, "chat_settings", lambda: ChatSettings(members_per_thread=2))
    add(thread, a_person().name)

    with pytest.raises(InvalidPayload, match="2 members at most"):
        add(thread, a_person().name)


def test_a_member_leaves_and_the_owner_removes(thread):
    leaving, removed = a_person(), a_person()
    for person in (leaving, removed):
        add(thread, person.name)

    remove(thread, leaving.name, leaving)
    remove(thread, removed.name)

    assert [each.role for each in membership.members_of(thread.pk)] == ["owner"]
    assert kinds(thread) == ["joined", "joined", "left", "left"]


def test_a_member_removes_nobody_else_and_learns_nothing_of_who_is_there(owner, thread):
    member = a_person()
    add(thread, member.name)

    for name in (owner.name, a_person().name, "nobody at all"):
        with pytest.raises(PermissionDenied):
            remove(thread, name, member)


def test_the_owner_cannot_leave(owner, thread):
    with pytest.raises(InvalidPayload, match="owner cannot leave") as refused:
        remove(thread, owner.name)

    assert refused.value.field == "payload.username"


def test_who_is_no_member_is_not_removed(thread):
    with pytest.raises(NotFound, match=r"^There is no such member\.$"):
        remove(thread, a_person().name)


def test_a_change_holds_who_was_in_the_thread_from_then_on(owner, thread):
    first, second = a_person(), a_person()
    add(thread, first.name)
    add(thread, second.name)

    (change, _) = membership.untold(thread.pk)

    assert [each["user_id"] for each in change.members] == [owner.id, first.id]


def test_of_a_thread_that_is_gone_only_leaving_is_told(thread):
    person = a_person()
    add(thread, person.name)
    remove(thread, person.name)
    thread_id = thread.pk
    thread.delete()

    assert [change.kind for change in membership.untold(thread_id)] == ["left"]


def test_what_is_told_late_is_found_by_its_thread_until_it_is_told(thread):
    add(thread, a_person().name)
    assert thread.pk not in membership.told_late(timedelta(minutes=1), 100)
    assert thread.pk in membership.told_late(timedelta(0), 10_000)

    membership.told(membership.untold(thread.pk))

    assert not MembershipChange.objects.filter(thread_id=thread.pk).exists()


def test_nothing_is_changed_where_adding_is_refused(thread):
    with pytest.raises(NotFound):
        add(thread, "nobody at all")

    assert ThreadMember.objects.filter(thread=thread).count() == 1
    assert kinds(thread) == []
