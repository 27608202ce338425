"""The bell: the channel layer tells sockets of what happened at once. The log, not the bell, is the truth.

The one place that knows group names and the types of layer messages, and no text of a client ever
becomes one of either.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import msgspec
from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, get_channel_layer
from django.core.exceptions import ImproperlyConfigured

from chatrouting import counters
from chatrouting.stream.layer import ValkeyChannelLayer
from chatrouting.stream.log import SILENT, Append, Bell, Record

logger = logging.getLogger(__name__)

DELIVER = "event.deliver"
DISMISS = "socket.dismiss"
CHECK = "session.check"
SHOW = "signal.show"
STOP = "run.stop"
BROADCAST = "broadcast.accepted"
CHANGED = "breaker.changed"
WORKERS = "workers"
BREAKERS = "breakers"
RETRY_SECONDS = 1.0

_packed = msgspec.msgpack.Encoder().encode


class Rung(Record, frozen=True, tag_field="type", tag=DELIVER):
    """The record of an event that was just appended."""


class Dismissal(msgspec.Struct, frozen=True, tag_field="type", tag=DISMISS):
    """Which sockets of a user are to be closed, and with which code: all, unless they are named."""

    code: int
    session_digest: str = ""
    connection_ids: tuple[str, ...] = ()

    def names(self, session_digest: str, connection_id: str) -> bool:
        """Whether this socket is meant."""
        session = self.session_digest in ("", session_digest)
        return session and (not self.connection_ids or connection_id in self.connection_ids)


class Check(msgspec.Struct, frozen=True, tag_field="type", tag=CHECK):
    """Something was done to a user's account: their sockets are to look at their sessions."""


class Signal(msgspec.Struct, frozen=True, tag_field="type", tag=SHOW):
    """A frame for the sockets of a user that is not kept, but for one of them where one is left out."""

    text: str
    except_connection: str = msgspec.field(default="", name="except")


Told: TypeAlias = Rung | Dismissal | Check | Signal

_told: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)


def told(data: bytes) -> Told:
    """What a message to a user's group says, in MessagePack. Raises `msgspec.DecodeError` where it is none."""
    return _told.decode(data)


def told_by(message: dict[str, Any]) -> Told:
    """`told` for a message that its layer has decoded."""
    heard: Told = msgspec.convert(message, Told)
    return heard


def channel_layer() -> BaseChannelLayer:
    """The configured layer. Raises `ImproperlyConfigured` where there is none."""
    layer = get_channel_layer()
    if layer is None:
        raise ImproperlyConfigured("CHANNEL_LAYERS has no default layer.")
    return layer


def user_group(user_id: str) -> str:
    """The group of all who listen for one user."""
    return f"user.{user_id}"


def bell(append: Append) -> Bell:
    """How the append itself rings, where the layer allows that; else `ring` has to follow it."""
    layer = channel_layer()
    if not isinstance(layer, ValkeyChannelLayer):
        return SILENT
    head = _packed({"type": DELIVER, "owner": append.user_id, "body": append.body})
    # The script adds two more fields to this map: seq and epoch.
    beginning = b"\x85" + head[1 : len(head) - len(append.body)]
    return Bell(layer.group_address(user_group(append.user_id)), beginning)


async def ring(records: Sequence[Record]) -> None:
    """Tell of each record, where the append could not. A bell that fails loses nothing: the log has it."""
    layer = channel_layer()
    if isinstance(layer, ValkeyChannelLayer):
        return
    for record in records:
        try:
            await layer.group_send(user_group(record.owner), _message(rung(record)))
        except Exception:  # an edge: whatever the layer's backend raises, the event is in the log
            counters.events_lost.labels("doorbell").inc()
            logger.exception("the channel layer did not take an event")


def rung(record: Record) -> Rung:
    """How a record is told of."""
    return Rung(record.owner, record.epoch, record.seq, record.body)


def _message(say: Told) -> dict[str, Any]:
    """As the layer takes it."""
    message: dict[str, Any] = msgspec.to_builtins(say, builtin_types=(bytes,))
    return message


async def ring_dismissal(user_id: str, dismissal: Dismissal) -> None:
    """Close sockets of this user, in whatever process they are. Raises what the layer's backend raises."""
    await channel_layer().group_send(user_group(user_id), _message(dismissal))


def ring_dismissal_now(user_id: str, dismissal: Dismissal) -> None:
    """`ring_dismissal` for callers without an event loop."""
    _send_now(user_group(user_id), _message(dismissal))


def ring_check_now(user_id: str) -> None:
    """Let every socket of this user look at its session anew. Raises what the layer's backend raises."""
    _send_now(user_group(user_id), _message(Check()))


async def ring_signal(user_id: str, signal: Signal) -> None:
    """Show a signal on a user's sockets. Nothing depends on its arrival."""
    try:
        await channel_layer().group_send(user_group(user_id), _message(signal))
    except Exception:  # an edge: whatever the layer's backend raises, a signal may be lost
        logger.debug("a signal was not sent", exc_info=True)


def _send_now(group: str, message: dict[str, Any]) -> None:
    layer = channel_layer()
    if isinstance(layer, ValkeyChannelLayer):
        layer.group_send_now(group, message)
    else:
        async_to_sync(layer.group_send)(group, message)


async def ring_stop(run_id: str) -> None:
    """Nudge the workers to look at a run that is to be stopped. Nothing depends on its arrival."""
    await _nudge({"type": STOP, "run_id": run_id})


async def ring_broadcast() -> None:
    """Nudge the workers to look for broadcasts. Nothing depends on its arrival."""
    await _nudge({"type": BROADCAST})


async def ring_breaker(route: str) -> None:
    """Let every process look at the breaker of this route. Who misses it learns at its next probe."""
    await _nudge({"type": CHANGED, "route": route}, BREAKERS)


def ring_breaker_now(route: str) -> None:
    """`ring_breaker` for callers without an event loop. Raises what the layer's backend raises."""
    _send_now(BREAKERS, {"type": CHANGED, "route": route})


async def _nudge(message: dict[str, Any], group: str = WORKERS) -> None:
    try:
        await channel_layer().group_send(group, message)
    except Exception:  # an edge: whatever the layer's backend raises, the truth is kept elsewhere
        logger.warning("the %s were not nudged", group, exc_info=True)


def ring_stop_now(run_id: str) -> None:
    """`ring_stop` for callers without an event loop."""
    try:
        _send_now(WORKERS, {"type": STOP, "run_id": run_id})
    except Exception as error:  # noqa: BLE001 - reason: an edge, as above; commands show what is logged
        logger.warning("the workers were not nudged and will see it later: %s", error)


async def stops() -> AsyncIterator[str]:
    """The ids of runs that workers are nudged to stop, for ever."""
    async for message in _nudges(STOP):
        yield message["run_id"]


async def broadcasts_rung() -> AsyncIterator[None]:
    """Each time that workers are nudged to look for broadcasts, for ever."""
    async for _ in _nudges(BROADCAST):
        yield None


async def breaker_changes() -> AsyncIterator[str]:
    """The routes whose breakers changed, for ever; empty text at the beginning, where any may have."""
    async for message in _heard(BREAKERS):
        yield "" if message is None else message["route"]


async def _nudges(kind: str) -> AsyncIterator[dict[str, Any]]:
    async for message in _heard(WORKERS):
        if message is not None and message["type"] == kind:
            yield message


async def _heard(group: str) -> AsyncIterator[dict[str, Any] | None]:
    """The messages of a group, for ever; None where it is listened to anew."""
    layer = channel_layer()
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            yield None
            while True:
                yield await layer.receive(channel)
        except Exception:  # an edge: a layer that is away is tried again
            logger.warning("the %s cannot be nudged", group, exc_info=True)
            await asyncio.sleep(RETRY_SECONDS)
