"""The one door for events: write to the logs of those who may see it, then ring."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeAlias
from uuid import UUID

from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotAnswered

from chatrouting import counters
from chatrouting.conf import chat_settings
from chatrouting.stream.doorbell import bell, ring
from chatrouting.stream.log import Append, EventLog, Membership, Record, RunMark
from chatrouting.stream.valkey import valkey
from routing_core.envelope import encode_event
from routing_core.messages import Message

logger = logging.getLogger(__name__)

RETRY_SECONDS = (0.05, 0.25)

Refusals: TypeAlias = Mapping[str, RedisError]


class StreamRefused(Exception):
    """Streams of some users are damaged; everybody else has the event."""

    def __init__(self, refusals: Refusals) -> None:
        super().__init__("; ".join(f"user {user_id}: {why}" for user_id, why in refusals.items()))
        self.user_ids = list(refusals)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `key` or the `mark` of its run make it count once however often it is sent."""

    message: Message
    thread_id: UUID | None = None
    run_id: UUID | None = None
    key: str = ""
    mark: RunMark | None = None
    membership: Membership = Membership.MEMBER


def event_log() -> EventLog:
    """The log, on this event loop's client."""
    return EventLog(valkey(), chat_settings())


async def publish(user_ids: Iterable[str], event: Event) -> list[Record]:
    """Bring an event to these users. The ids come from the session or the database, never from a frame.

    Returns the records it became, in order. A user whose stream is damaged keeps no other from having it:
    that is noted, and nothing more comes of it. An append that got no answer is repeated where repeating
    does nothing. Raises `Fenced`, `TextLost`, and redis-py's errors where Valkey does not answer.
    """
    records, refusals = await _bring(user_ids, event)
    if refusals:
        note_refusals(refusals, event.message.type)
    return records


async def publish_each(user_ids: Iterable[str], event: Event) -> Refusals:
    """As `publish`, for who has more to do where a stream is damaged: returns whose refused it, and why."""
    _, refusals = await _bring(user_ids, event)
    return refusals


def note_refusals(refusals: Refusals, what: str) -> None:
    """Count what these users are not told, and say so in the log."""
    counters.events_lost.labels("stream_refused").inc(len(refusals))
    for user_id, error in refusals.items():
        logger.error("the stream of user %s refused %s: %s", user_id, what, error)


async def _bring(user_ids: Iterable[str], event: Event) -> tuple[list[Record], Refusals]:
    appends = _appends(user_ids, event)
    answers = await _append(appends) if appends else []
    records = [answer for answer in answers if isinstance(answer, Record)]
    counters.events_published.labels(event.message.type).inc(len(records))
    await ring(records)
    both = zip(appends, answers, strict=True)
    return records, {
        append.user_id: answer for append, answer in both if isinstance(answer, RedisError)
    }


def _appends(user_ids: Iterable[str], event: Event) -> list[Append]:
    thread_id = str(event.thread_id) if event.thread_id else ""
    body = encode_event(
        event.message,
        at=datetime.now(timezone.utc),
        thread_id=thread_id or None,
        run_id=str(event.run_id) if event.run_id else None,
    )
    membership = event.membership if thread_id else Membership.ANY
    return [
        Append(user_id, body, event.key, event.mark, thread_id, membership) for user_id in user_ids
    ]


async def _append(appends: Sequence[Append]) -> list[Record | RedisError | None]:
    log = event_log()
    for seconds in RETRY_SECONDS:
        try:
            return await log.append(appends, bell)
        except (NotConnected, NotAnswered):
            if not all(append.repeatable for append in appends):
                raise
        await asyncio.sleep(seconds)
    return await log.append(appends, bell)
