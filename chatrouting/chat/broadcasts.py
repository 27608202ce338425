"""Broadcasts are accepted here, and told by `broadcasting`: whoever sends one does not wait for everybody."""

import logging

import msgspec
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType

from chatrouting.chat.audience import recipients
from chatrouting.chat.context import Context
from chatrouting.chat.messages import Audience, BroadcastSent, SendBroadcast
from chatrouting.chat.models import Broadcast
from chatrouting.chat.receipts import Done, once
from chatrouting.database import in_database
from chatrouting.stream.doorbell import ring_broadcast
from chatrouting.threads.permissions import demand
from routing_core.errors import PermissionDenied

logger = logging.getLogger(__name__)

PERMISSION = "chatrouting_chat.broadcast"
SHOWN_CHARACTERS = 200


async def broadcast(ctx: Context, message: SendBroadcast) -> BroadcastSent:
    """Keep what many are to be told, and have a worker tell them."""
    done = await in_database(_accepted, ctx, message)
    if done.work is not None:
        await ring_broadcast()
    return done.reply


def _accepted(ctx: Context, message: SendBroadcast) -> Done[BroadcastSent, Broadcast]:
    """A repeated one is answered as before, whatever its sender may by now."""
    try:
        return once(ctx, message, BroadcastSent, lambda: _kept(ctx.user.id, message))
    except PermissionDenied:  # logged here: what its transaction wrote is undone
        _audit(ctx.user.id, None, "Refused a broadcast: no permission.")
        raise


def _kept(user_id: str, message: SendBroadcast) -> tuple[BroadcastSent, Broadcast]:
    demand(user_id, PERMISSION)
    kept = keep(user_id, message)
    return BroadcastSent(users=kept.total, duplicate=False), kept


def keep(sender_id: str | None, message: SendBroadcast) -> Broadcast:
    """Write it down, in the caller's transaction; a worker's next round tells it.

    Raises `InvalidPayload` where the audience is none.
    """
    kept = Broadcast.objects.create(
        sender_id=sender_id,
        content=message.content,
        level=message.level,
        audience=msgspec.to_builtins(message.audience),
        total=recipients(message.audience).count(),
    )
    _audit(sender_id, kept, f"Broadcast to {kept.total} users.")
    return kept


def audience_of(kept: Broadcast) -> Audience:
    """Whom a broadcast that was kept is for."""
    return msgspec.convert(kept.audience, Audience)


def _audit(user_id: str | None, kept: Broadcast | None, text: str) -> None:
    """Into the admin's log, where a person did it whose account is there; into the server's in any case."""
    logger.info("broadcast of user %s: %s", user_id, text)
    if user_id is None or not get_user_model()._default_manager.filter(pk=user_id).exists():
        return
    LogEntry.objects.create(
        user_id=user_id,
        content_type=ContentType.objects.get_for_model(Broadcast),
        object_id=str(kept.pk) if kept else None,
        object_repr=str(kept)[:SHOWN_CHARACTERS] if kept else "broadcast",
        action_flag=ADDITION if kept else CHANGE,
        change_message=text,
    )
