"""Telling many: batch after batch, resumable at any point, by one process at a time, each user once."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from redis.exceptions import RedisError

from chatrouting.chat.audience import recipients
from chatrouting.chat.broadcasts import audience_of
from chatrouting.chat.messages import SystemMessage
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.outages import log_failure
from chatrouting.stream.doorbell import broadcasts_rung
from chatrouting.stream.publishing import Event, Refusals, note_refusals, publish_each
from routing_core.errors import InvalidPayload

logger = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 500  # users that one write to Valkey tells
HELD = timedelta(seconds=15)
TRIES = 8
FIRST_RETRY = timedelta(seconds=5)
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Batch:
    """The next users of a broadcast, in the order of their keys."""

    user_ids: tuple[str, ...]
    after: str


def _no_progress(told: Broadcast) -> None:
    """Nobody looks on."""


async def tell(
    broadcast_id: UUID, progress: Callable[[Broadcast], None] = _no_progress, batch: int = BATCH
) -> bool:
    """Tell everybody it is for who was not told yet. `progress` is called after each batch of users.

    False where another process has it, or it was done. Raises redis-py's errors where Valkey does not
    answer: it goes on from there when it is told again.
    """
    held = await in_database(_hold, broadcast_id)
    if held is None:
        return False
    try:
        while (following := await in_database(_next, held, batch)).user_ids:
            refused = await publish_each(following.user_ids, _event(held))
            held = await in_database(_advance, held, following, refused)
            if held is None:
                return False
            progress(held)
    except RedisError:
        await in_database(_release, broadcast_id)
        raise
    except InvalidPayload as error:  # its permission was deleted since it was accepted
        logger.error("broadcast %s has no audience any more: %s", broadcast_id, error)
    await in_database(_complete, broadcast_id)
    return True


async def keep_telling() -> None:
    """Tell what was accepted, as soon as it is, and what a crash or an outage left. Runs for ever."""
    rung = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_heed(rung), name="broadcasts rung")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chat_settings().sweep_seconds):
                    await rung.wait()
            rung.clear()
            await _tell_due()


async def _heed(rung: asyncio.Event) -> None:
    async for _ in broadcasts_rung():
        rung.set()


async def _tell_due() -> None:
    await _each(_open, tell)
    await _each(_due, _try_again)


async def _each(find: Callable[[], Sequence[T]], do: Callable[[T], Awaitable[object]]) -> None:
    """Do it with each that is found; one that fails keeps no other back."""
    try:
        for found in await in_database(find):
            await _once(found, do)
    except Exception as error:  # noqa: BLE001 - reason: an edge: the next round goes on
        log_failure(logger, "broadcasts are told later", error)


async def _once(found: T, do: Callable[[T], Awaitable[object]]) -> None:
    try:
        await do(found)
    except RedisError:  # so would the others
        raise
    except Exception as error:  # noqa: BLE001 - reason: an edge: as above
        log_failure(logger, f"broadcast {found} is told later", error)


async def _try_again(undelivered: Undelivered) -> None:
    user_id = str(undelivered.user_id)
    refused = await publish_each([user_id], _event(undelivered.broadcast))
    if user_id in refused:
        await in_database(_put_off, undelivered, refused[user_id])
    else:
        await in_database(_delivered, undelivered)


def _event(told: Broadcast) -> Event:
    scope = "all" if told.audience.get("all") else "some"
    message = SystemMessage(content=told.content, level=told.level, scope=scope)
    return Event(message, key=f"broadcast:{told.pk}")


def _hold(broadcast_id: UUID) -> Broadcast | None:
    now = timezone.now()
    free = Q(held_until=None) | Q(held_until__lt=now)
    open_one = Broadcast.objects.filter(free, pk=broadcast_id, completed_at=None)
    if not open_one.update(held_until=now + HELD):
        return None
    return Broadcast.objects.get(pk=broadcast_id)


def _next(held: Broadcast, size: int) -> Batch:
    found = recipients(audience_of(held))
    if held.after:
        found = found.filter(pk__gt=held.after)
    user_ids = tuple(str(pk) for pk in found.values_list("pk", flat=True)[:size])
    return Batch(user_ids, user_ids[-1] if user_ids else held.after)


@transaction.atomic
def _advance(held: Broadcast, batch: Batch, refused: Refusals) -> Broadcast | None:
    """Note that the batch was told. None where another process has gone on meanwhile."""
    mine = Broadcast.objects.filter(pk=held.pk, after=held.after, completed_at=None)
    told = len(batch.user_ids) - len(refused)
    if not mine.update(
        after=batch.after, reached=F("reached") + told, held_until=timezone.now() + HELD
    ):
        return None
    note_refusals(refused, f"broadcast {held.pk}")
    rows = [
        Undelivered(broadcast=held, user_id=user_id, reason=_reason(error), due_at=_due_after(1))
        for user_id, error in refused.items()
    ]
    Undelivered.objects.bulk_create(rows, ignore_conflicts=True)
    return Broadcast.objects.get(pk=held.pk)


def _release(broadcast_id: UUID) -> None:
    Broadcast.objects.filter(pk=broadcast_id).update(held_until=None)


def _complete(broadcast_id: UUID) -> None:
    Broadcast.objects.filter(pk=broadcast_id).update(completed_at=timezone.now(), held_until=None)


def _open() -> Sequence[UUID]:
    found = Broadcast.objects.filter(completed_at=None).order_by("created_at")
    return list(found.values_list("pk", flat=True)[:BATCH])


def _due() -> Sequence[Undelivered]:
    found = Undelivered.objects.filter(due_at__lte=timezone.now()).order_by("due_at")
    return list(found.select_related("broadcast")[:BATCH])


def _put_off(undelivered: Undelivered, error: Exception) -> None:
    tries = undelivered.tries + 1
    Undelivered.objects.filter(pk=undelivered.pk).update(
        tries=tries, reason=_reason(error), due_at=_due_after(tries) if tries < TRIES else None
    )


@transaction.atomic
def _delivered(undelivered: Undelivered) -> None:
    removed, _ = Undelivered.objects.filter(pk=undelivered.pk).delete()
    if removed:
        Broadcast.objects.filter(pk=undelivered.broadcast_id).update(reached=F("reached") + 1)


def _due_after(tries: int) -> datetime:
    return timezone.now() + FIRST_RETRY * (1 << (tries - 1))


def _reason(error: Exception) -> str:
    return str(error)[:REASON_CHARACTERS]
