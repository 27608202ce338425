"""Who is in a thread, who may change that, and what of it is not told yet. Callers hold the transaction."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone

from chatrouting.accounts import name_field
from chatrouting.conf import chat_settings
from chatrouting.threads.messages import Member
from chatrouting.threads.models import MembershipChange, Thread, ThreadMember, ThreadMessage
from chatrouting.threads.permissions import demand
from chatrouting.threads.rules import owned_thread, thread_of
from routing_core.errors import InvalidPayload, NotFound, PermissionDenied

SHARE = "chatrouting_threads.share"
Role = ThreadMember.Role
Kind = MembershipChange.Kind


def members_of(thread_id: UUID) -> list[Member]:
    """Everybody in the thread, in the order they came: the owner first."""
    rows = ThreadMember.objects.filter(thread_id=thread_id).select_related("user").order_by("pk")
    return [Member(str(row.user_id), row.user.get_username(), str(row.role)) for row in rows]


def demand_sharing(user_id: str, thread_id: UUID) -> None:
    """As `owned_thread`; raises `PermissionDenied` too where the owner may not share threads."""
    owned_thread(user_id, thread_id)
    demand(user_id, SHARE)


def add(owner_id: str, thread_id: UUID, username: str) -> bool:
    """Make this person a member. False where they are one already.

    Raises `NotFound` where there is no such person, or where they are not active, and `InvalidPayload`
    where the thread is full.
    """
    _lock(thread_id)
    demand_sharing(owner_id, thread_id)
    found = {name_field(): username, "is_active": True}
    person = get_user_model()._default_manager.filter(**found).first()
    if person is None:
        raise NotFound("There is no such person.")
    members = ThreadMember.objects.filter(thread_id=thread_id)
    if members.filter(user_id=person.pk).exists():
        return False
    most = chat_settings().members_per_thread
    if members.count() >= most:
        raise InvalidPayload(f"A thread has {most} members at most.", field="payload.thread_id")
    members.create(thread_id=thread_id, user_id=person.pk)
    _note(thread_id, person.pk, Kind.JOINED, members_of(thread_id))
    return True


def remove(user_id: str, thread_id: UUID, username: str) -> None:
    """Let somebody leave: the owner removes others, a member only themselves.

    Raises `NotFound` where that is no member, `InvalidPayload` where it is the owner.
    """
    _lock(thread_id)
    owner = str(thread_of(user_id, thread_id).owner_id) == user_id
    named = {"thread_id": thread_id, name_field("user__"): username}
    member = ThreadMember.objects.filter(**named).first()
    if not owner and (member is None or str(member.user_id) != user_id):
        raise PermissionDenied
    if member is None:
        raise NotFound("There is no such member.")
    if member.role == Role.OWNER:
        text = "The owner cannot leave a thread, but may delete it."
        raise InvalidPayload(text, field="payload.username")
    member.delete()
    _note(thread_id, member.user_id, Kind.LEFT, members_of(thread_id))


def shared_with(user_ids: Collection[str], at: str = "") -> Q:
    """The condition on threads that one of these users is in. `at` leads to the thread, as for `seen_by`."""
    return Q((f"{at}members__user_id__in", user_ids)) | Q((f"{at}owner_id__in", user_ids))


def hold(user_ids: Collection[str], also: Collection[UUID] = ()) -> list[Thread]:
    """Be alone with every thread one of these users is in, and with those of `also`: by id."""
    theirs = shared_with(user_ids) | Q(pk__in=also)
    found = Thread.objects.filter(pk__in=Thread.objects.filter(theirs).values("pk"))
    return list(found.order_by("pk").select_for_update())


def depart(user_id: str, held: Iterable[Thread]) -> None:
    """Let a person whose account goes leave these threads, which the caller holds.

    Everybody loses those that are the person's own. What the person said in others stays, under their name.
    """
    MembershipChange.objects.filter(user_id=user_id).update(user=None)
    ThreadMessage.objects.filter(Q(("author_id", user_id))).update(author=None)
    for thread in held:
        members = ThreadMember.objects.filter(thread_id=thread.pk)
        if str(thread.owner_id) == user_id:
            for other in members.exclude(user_id=user_id).values_list("user_id", flat=True):
                _note(thread.pk, other, Kind.LEFT, [])
            Thread.objects.filter(pk=thread.pk).delete()
        elif members.filter(user_id=user_id).delete()[0]:
            _note(thread.pk, None, Kind.LEFT, members_of(thread.pk))


def untold(thread_id: UUID) -> list[MembershipChange]:
    """What of this thread is to be told, in the order it happened; nobody joins one that is gone."""
    changes = MembershipChange.objects.filter(thread_id=thread_id).order_by("pk")
    if not Thread.objects.filter(pk=thread_id).exists():
        changes.filter(kind=Kind.JOINED).delete()
    return list(changes)


def told(changes: Sequence[MembershipChange]) -> None:
    """All who are to know of these know."""
    MembershipChange.objects.filter(pk__in=[change.pk for change in changes]).delete()


def told_late(age: timedelta, limit: int) -> list[UUID]:
    """The threads of which something should have been told so long ago."""
    late = MembershipChange.objects.filter(created_at__lt=timezone.now() - age).order_by("pk")
    return list(dict.fromkeys(late.values_list("thread_id", flat=True)[:limit]))


def _lock(thread_id: UUID) -> None:
    """From here on the transaction is alone with the thread: its changes have the order of their ids."""
    Thread.objects.select_for_update().filter(pk=thread_id).first()


def _note(
    thread_id: UUID, user_id: int | None, kind: MembershipChange.Kind, members: Sequence[Member]
) -> None:
    MembershipChange.objects.create(
        thread_id=thread_id, user_id=user_id, kind=kind, members=msgspec.to_builtins(members)
    )
