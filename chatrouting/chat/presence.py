"""Who is online, as those are told who share a thread with them.

Somebody comes online with the first socket over all processes. They are told to be offline when they have had
none for `presence_grace_seconds`, so that a reload or a deploy tells nobody anything. The rooms that keep
sockets say who came and who has none left, in the transaction that writes it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from chatrouting.batches import Batches
from chatrouting.chat.member_messages import PresenceShown
from chatrouting.chat.models import Presence
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.stream.doorbell import Signal, ring_signal
from chatrouting.stream.loops import PerLoop
from chatrouting.threads.models import ThreadMember
from chatrouting.threads.rules import member_ids
from chatrouting.writes import update_in_order
from routing_core.envelope import encode_signal

logger = logging.getLogger(__name__)

AT_ONCE = 200  # how many a process tells to be offline in one round


def came(user_ids: Collection[str]) -> set[str]:
    """These have a socket. Those of them who were offline before."""
    asked, theirs = set(user_ids), Presence.objects.filter(user_id__in=user_ids)
    known = update_in_order(theirs, left_at=None)
    if known == len(asked):
        return set()
    new = asked - set(_ids(theirs)) if known else asked
    try:
        _begin(new)
    except IntegrityError:  # other sockets of some of them were faster
        return {user_id for user_id in sorted(new) if _is_new(user_id)}
    return new


@transaction.atomic
def _begin(user_ids: Collection[str]) -> None:
    """In one order, so that two who begin several wait for each other in no circle."""
    Presence.objects.bulk_create(Presence(user_id=user_id) for user_id in sorted(user_ids))


def _is_new(user_id: str) -> bool:
    try:
        _begin([user_id])
    except IntegrityError:
        return False
    return True


def hold(user_ids: Collection[int | str]) -> None:
    """Be alone in finding out whether these have sockets left: two would see each other's, and nobody leave.

    Call it in the transaction, before the rows of sockets go. In one order, so that two which hold several
    wait in no circle; where one writes at a time there is nothing to hold.
    """
    if connection.features.has_select_for_update:
        held = Presence.objects.filter(user_id__in=user_ids).order_by("pk")
        list(held.select_for_update(no_key=True).values_list("pk"))


def left(user_ids: Collection[int | str]) -> None:
    """These have no socket any more; their grace begins."""
    Presence.objects.filter(user_id__in=user_ids, left_at=None).update(left_at=timezone.now())


def expire(connected: QuerySet[Any, Any]) -> list[str]:
    """Take those for offline whose grace is over; their ids. `connected` gives the ids of all with sockets."""
    due = timezone.now() - timedelta(seconds=chat_settings().presence_grace_seconds)
    late = Presence.objects.filter(left_at__lt=due)
    if not late.exists():
        return []
    with transaction.atomic():
        update_in_order(late.filter(user_id__in=connected), left_at=None)
        locked = late.select_for_update(skip_locked=True).values_list("user_id", flat=True)
        gone = list(locked[:AT_ONCE])
        Presence.objects.filter(user_id__in=gone).delete()
    return [str(user_id) for user_id in gone]


def online_peers(user_ids: Sequence[str]) -> dict[str, list[str]]:
    """Those online who share a thread with each of these users; nothing of one who has none."""
    peers: dict[str, list[str]] = {}
    for user_id, peer in _pairs(user_ids):
        peers.setdefault(user_id, []).append(peer)
    return peers


_greetings: PerLoop[Batches[str, list[str]]] = PerLoop(
    lambda: Batches(online_peers, to_all=True, seconds=chat_settings().database_seconds)
)


def _pairs(user_ids: Sequence[str]) -> list[tuple[str, str]]:
    """These users, each with everybody online who shares a thread with them."""
    found = ThreadMember.objects.filter(
        thread__members__user_id__in=user_ids,
        thread__deleted_at=None,
        user__presence__isnull=False,
    ).values_list("thread__members__user_id", "user_id")
    pairs = {(str(user_id), str(peer)) for user_id, peer in found}
    return sorted((user_id, peer) for user_id, peer in pairs if user_id != peer)


async def greet(user_id: str, *, first: bool, show: Callable[[str], object]) -> None:
    """Show a new socket who is online, and where it is the user's first, show the others that they are."""
    try:
        peers = await _greetings.here.call(user_id) or []
        for peer in peers:
            show(_shown(peer, online=True))
        if first:
            await _tell([(peer, user_id) for peer in peers], online=True)
    except Exception:  # an edge: a socket works without
        logger.warning("who is online was not shown to user %s", user_id, exc_info=True)


async def introduce(user_id: str, thread_id: UUID) -> None:
    """Somebody joined a thread: they and the others see of each other who is online."""
    try:
        online = await in_database(_online_in, thread_id)
    except Exception:  # an edge: who joined has joined, whoever is told of it
        logger.warning("thread %s was not shown who is online", thread_id, exc_info=True)
        return
    if user_id in online:
        others = [each for each in online if each != user_id]
        both = [(user_id, each) for each in others] + [(each, user_id) for each in others]
        await _tell(both, online=True)


def _online_in(thread_id: UUID) -> list[str]:
    return _ids(Presence.objects.filter(user_id__in=member_ids(thread_id)))


async def tell_gone(user_ids: Sequence[str]) -> None:
    """Show those who share a thread with them that these are offline.

    Who comes back meanwhile tells so in another process, perhaps before this one has told that they are gone.
    So whoever has told it looks afterwards, and tells of those who are here that they are.
    """
    if not user_ids:
        return
    here = await in_database(_online_of, user_ids)
    gone = [user_id for user_id in user_ids if user_id not in here]
    await _tell_peers(gone, online=False)
    await _tell_peers(await in_database(_online_of, gone), online=True)


def _online_of(user_ids: Sequence[str]) -> list[str]:
    return _ids(Presence.objects.filter(user_id__in=user_ids))


def _ids(found: QuerySet[Presence]) -> list[str]:
    return [str(user_id) for user_id in found.values_list("user_id", flat=True)]


async def _tell_peers(user_ids: Sequence[str], *, online: bool) -> None:
    """Show those who share a thread with them how these stand."""
    if user_ids:
        pairs = await in_database(_pairs, user_ids)
        await _tell([(peer, user_id) for user_id, peer in pairs], online=online)


async def _tell(pairs: Sequence[tuple[str, str]], *, online: bool) -> None:
    """Show each first one how the second stands."""
    rung = (ring_signal(to, Signal(_shown(about, online=online))) for to, about in pairs)
    await asyncio.gather(*rung)


def _shown(user_id: str, *, online: bool) -> str:
    return encode_signal(PresenceShown(user_id=user_id, online=online))
