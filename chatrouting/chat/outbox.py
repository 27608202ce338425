"""Telling a thread's members what was said: after the commit, and at the latest by a sweep."""

import asyncio
import logging
from datetime import timedelta

from django.utils import timezone
from msgspec import UNSET

from chatrouting.chat.messages import Author, MessageAdded
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import member_ids

logger = logging.getLogger(__name__)

LATE = timedelta(seconds=3)
BATCH = 100


async def announce(question: ThreadMessage) -> None:
    """Append `message_added` to the streams of the thread's members. Repeating it does nothing.

    Each member gets an event of their own: only the author is told the id it came with. Raises
    redis-py's errors where Valkey does not answer; the sweep then tells it later.
    """
    author_id = str(question.author_id)
    run_id = (await in_database(lambda: question.asked_run)).pk
    for user_id in await in_database(member_ids, question.thread_id):
        added = MessageAdded(
            message_id=str(question.pk),
            role="user",
            author=Author(author_id, question.author_name),
            content=question.content,
            client_id=(question.client_id if user_id == author_id else "") or UNSET,
        )
        key = f"message:{question.pk}"
        await publish([user_id], Event(added, question.thread_id, run_id, key))
    await in_database(_mark, question)


async def sweep() -> None:
    """Announce what a crash or an outage kept back. Runs for ever."""
    while True:
        await asyncio.sleep(chat_settings().sweep_seconds)
        try:
            late = await in_database(_late)
        except Exception:  # an edge: the next round asks again
            logger.exception("the messages to announce could not be read")
            continue
        for question in late:
            await _try(question)


async def _try(question: ThreadMessage) -> None:
    try:
        await announce(question)
    except Exception:  # an edge: one that cannot be told now must not keep the others back
        logger.warning("message %s is announced later", question.pk, exc_info=True)


def _mark(question: ThreadMessage) -> None:
    ThreadMessage.objects.filter(pk=question.pk).update(announced_at=timezone.now())


def _late() -> list[ThreadMessage]:
    found = ThreadMessage.objects.filter(
        role=ThreadMessage.Role.USER,
        announced_at=None,
        asked_run__isnull=False,
        created_at__lt=timezone.now() - LATE,
    )
    return list(found.select_related("asked_run").order_by("created_at")[:BATCH])
