"""The one door for events: write to the logs of those who may see it, then ring."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
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

RETRY_SECONDS = (0.05, 0.25)


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

    An append that got no answer is repeated where repeating does nothing. Raises `Fenced`, and
    redis-py's errors where Valkey does not answer.
    """
    appends = _appends(user_ids, event)
    if not appends:
        return []
    records = await _append(appends)
    await _tell(event, records)
    return records


async def publish_each(user_ids: Iterable[str], event: Event) -> dict[str, RedisError]:
    """Bring an event of no run and no thread to many users; one whose stream is damaged keeps none back.

    Returns the users whose streams refused it, and why. It needs a `key`: repeating it does nothing.
    Raises redis-py's `ConnectionError` and `TimeoutError` where Valkey does not answer at all.
    """
    appends = _appends(user_ids, event)
    answers = await event_log().append_each(appends, bell) if appends else []
    await _tell(event, [answer for answer in answers if isinstance(answer, Record)])
    return {
        append.user_id: answer
        for append, answer in zip(appends, answers, strict=True)
        if isinstance(answer, RedisError)
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


async def _tell(event: Event, records: Sequence[Record]) -> None:
    counters.events_published.labels(event.message.type).inc(len(records))
    await ring(records)


async def _append(appends: Sequence[Append]) -> list[Record]:
    log = event_log()
    for seconds in RETRY_SECONDS:
        try:
            return await log.append(appends, bell)
        except (NotConnected, NotAnswered):
            if not all(append.repeatable for append in appends):
                raise
        await asyncio.sleep(seconds)
    return await log.append(appends, bell)
