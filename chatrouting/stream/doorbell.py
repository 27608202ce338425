"""The bell: the channel layer tells sockets of an event at once. The log, not the bell, is the truth.

The one place that knows group names and the types of layer messages. A layer message's type picks a
method of the consumer, so no text of a client ever becomes one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from channels.layers import BaseChannelLayer, get_channel_layer
from django.core.exceptions import ImproperlyConfigured

from chatrouting import counters
from chatrouting.stream.log import Record

logger = logging.getLogger(__name__)

DELIVER = "event.deliver"
DISMISS = "socket.dismiss"
CHECK = "session.check"
STOP = "run.stop"
WORKERS = "workers"
RETRY_SECONDS = 1.0


def channel_layer() -> BaseChannelLayer:
    """The configured layer. Raises `ImproperlyConfigured` where there is none."""
    layer = get_channel_layer()
    if layer is None:
        raise ImproperlyConfigured("CHANNEL_LAYERS has no default layer.")
    return layer


def user_group(user_id: str) -> str:
    """The group of all sockets of one user."""
    return f"user.{user_id}"


async def ring(records: Sequence[Record]) -> None:
    """Tell the sockets of each record's owner. A bell that fails loses nothing: the log has it."""
    layer = channel_layer()
    for record in records:
        try:
            await layer.group_send(user_group(record.owner), _message(record))
        except Exception:  # an edge: whatever the layer's backend raises, the event is in the log
            counters.events_lost.labels("doorbell").inc()
            logger.exception("the channel layer did not take an event")


def _message(record: Record) -> dict[str, Any]:
    return {
        "type": DELIVER,
        "owner": record.owner,
        "epoch": record.epoch,
        "seq": record.seq,
        "body": record.body,
    }


def rung(message: dict[str, Any]) -> Record:
    """The record that a layer message tells of."""
    return Record(message["owner"], message["epoch"], message["seq"], message["body"])


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Which sockets of a user are to be closed, and with which code: all, unless they are named."""

    code: int
    session_digest: str = ""
    connection_ids: tuple[str, ...] = ()

    def names(self, session_digest: str, connection_id: str) -> bool:
        """Whether this socket is meant."""
        session = self.session_digest in ("", session_digest)
        return session and (not self.connection_ids or connection_id in self.connection_ids)


async def ring_dismissal(user_id: str, dismissal: Dismissal) -> None:
    """Close sockets of this user, in whatever process they are. Raises what the layer's backend raises."""
    message = {
        "type": DISMISS,
        "code": dismissal.code,
        "session_digest": dismissal.session_digest,
        "connection_ids": list(dismissal.connection_ids),
    }
    await channel_layer().group_send(user_group(user_id), message)


def dismissal_in(message: dict[str, Any]) -> Dismissal:
    """The dismissal that a layer message tells of."""
    ids = tuple(message["connection_ids"])
    return Dismissal(message["code"], message["session_digest"], ids)


async def ring_check(user_id: str) -> None:
    """Let every socket of this user look at its session anew. Raises what the layer's backend raises."""
    await channel_layer().group_send(user_group(user_id), {"type": CHECK})


async def ring_stop(run_id: str) -> None:
    """Nudge the workers to look at a run that is to be stopped. Nothing depends on its arrival."""
    try:
        await channel_layer().group_send(WORKERS, {"type": STOP, "run_id": run_id})
    except Exception:  # an edge: whatever the layer's backend raises, the workers read the flag
        logger.warning("the workers were not nudged", exc_info=True)


async def stops() -> AsyncIterator[str]:
    """The ids of runs that workers are nudged to stop, for ever."""
    layer = channel_layer()
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(WORKERS, channel)
            while True:
                yield (await layer.receive(channel))["run_id"]
        except Exception:  # an edge: a layer that is away is tried again
            logger.warning("the workers cannot be nudged", exc_info=True)
            await asyncio.sleep(RETRY_SECONDS)
