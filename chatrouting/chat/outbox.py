"""Telling a thread's members what was said: after the commit, and at the latest by a sweep.

The sweep is that of all the chat has to tell.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.utils import timezone
from msgspec import UNSET
from redis.exceptions import RedisError

from chatrouting.agents import dead_letters
from chatrouting.agents.models import DeadLetter
from chatrouting.batches import Batches
from chatrouting.chat.messages import Author, MessageAdded
from chatrouting.chat.removal import deleted_threads, remove
from chatrouting.chat.titles import tell_title, untold_titles
from chatrouting.chat.turnover import tell_turnover, untold_turnover
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.outages import log_failure
from chatrouting.stream.loops import PerLoop
from chatrouting.stream.publishing import Event, Refusals, StreamRefused, publish_each
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import member_ids
from chatrouting.writes import update_in_order

logger = logging.getLogger(__name__)

MESSAGE = DeadLetter.Kind.MESSAGE
LATE = timedelta(seconds=3)
BATCH = 100


async def announce(question: ThreadMessage, members: Sequence[str]) -> Refusals:
    """Append `message_added` to the streams of the thread's members. Repeating it does nothing.

    Only the author is told the id it came with. Its run is read with the question. Returns whose streams
    refused it, and why. Raises redis-py's errors where Valkey does not answer; the sweep then tells it
    later, as long as it is not `announced`.
    """
    author_id = str(question.author_id)
    added = MessageAdded(
        message_id=str(question.pk),
        role="user",
        author=Author(author_id, question.author_name),
        content=question.content,
    )
    own = msgspec.structs.replace(added, client_id=question.client_id or UNSET)
    others = [user_id for user_id in members if user_id != author_id]
    refusals: dict[str, RedisError] = {}
    for user_ids, message in (([author_id] if author_id in members else [], own), (others, added)):
        run_id, key = question.asked_run.pk, f"message:{question.pk}"
        event = Event(message, question.thread_id, run_id, key)
        refusals |= await publish_each(user_ids, event)
    return refusals


def announced(question: ThreadMessage) -> None:
    """Note that its members have been told of it. Nobody waits: not noted, it is told again, for nothing."""
    _announced.here.note(question.pk)


def _note(question_ids: Collection[UUID]) -> None:
    questions = ThreadMessage.objects.filter(pk__in=question_ids)
    update_in_order(questions, announced_at=timezone.now())


_announced = PerLoop(lambda: Batches[UUID, None](_note))


async def announce_late(question: ThreadMessage) -> None:
    """As `announce`; one that cannot be told is tried again more and more slowly, and then is a dead letter."""
    run_id = question.asked_run.pk
    try:
        untold = await in_database(dead_letters.untold, MESSAGE, run_id)
        members = await in_database(member_ids, question.thread_id)
        if untold is not None:
            members = [each for each in members if each in untold]
        if refusals := await announce(question, members):
            raise StreamRefused(refusals)
        announced(question)
        await in_database(dead_letters.note_success, MESSAGE, run_id)
    except RedisError:
        raise
    except Exception as error:  # an edge: noted, and raised again for the sweep to log
        await in_database(dead_letters.note_failure, MESSAGE, run_id, error)
        raise


@dataclass(frozen=True, slots=True)
class Due:
    """One kind of what is to be told: `find` reads what was kept back, `tell` tells one of them."""

    find: Callable[[], list[Any]]
    tell: Callable[[Any], Awaitable[None]]


async def sweep() -> None:
    """Tell what a crash or an outage kept back. Runs for ever."""
    while True:
        await asyncio.sleep(chat_settings().sweep_seconds)
        for due in DUE:
            await _tell_late(due)


async def _tell_late(due: Due) -> None:
    try:
        late = await in_database(due.find)
    except Exception as error:  # noqa: BLE001 - reason: an edge: the next round asks again
        log_failure(logger, f"{due.find.__name__} could not be read", error)
        return
    for each in late:
        try:
            await due.tell(each)
        except Exception as error:  # noqa: BLE001 - reason: an edge: one that cannot be told now must not keep the others back
            what = f"{due.tell.__name__}: {getattr(each, 'pk', each)} is told later"
            log_failure(logger, what, error)


def late_messages() -> list[ThreadMessage]:
    """Questions that were not announced 3 s after they were asked."""
    found = ThreadMessage.objects.filter(
        role=ThreadMessage.Role.USER,
        announced_at=None,
        asked_run__isnull=False,
        created_at__lt=timezone.now() - LATE,
    )
    due = found.exclude(asked_run__in=DeadLetter.held_back(MESSAGE))
    return list(due.select_related("asked_run").order_by("created_at")[:BATCH])


DUE = (
    Due(late_messages, announce_late),
    Due(untold_titles, tell_title),
    Due(untold_turnover, tell_turnover),
    Due(deleted_threads, remove),
)
