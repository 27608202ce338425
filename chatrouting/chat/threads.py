"""Handlers: making a thread, and what only its owner may do with it."""

import logging
from uuid import UUID

from django.db import transaction
from msgspec import UNSET
from redis.exceptions import RedisError

from chatrouting.agents import runs
from chatrouting.chat.context import Context
from chatrouting.chat.receipts import Done, once
from chatrouting.chat.removal import remove
from chatrouting.chat.thread_messages import (
    CreateThread,
    DeleteThread,
    RenameThread,
    ThreadCreated,
    ThreadDeleted,
    ThreadRenamed,
)
from chatrouting.chat.titles import tell_title
from chatrouting.database import in_database
from chatrouting.threads.models import Thread
from chatrouting.threads.rules import (
    MADE_VERSION,
    UNTITLED,
    delete,
    new_thread,
    one_line,
    owned_thread,
    rename,
)
from routing_core.envelope import timestamp

logger = logging.getLogger(__name__)


async def create_thread(ctx: Context, message: CreateThread) -> ThreadCreated:
    """Make an empty thread and let the owner's other sockets know of it."""
    done = await in_database(_create, ctx, message)
    if done.work is not None:
        await _tell(done.work)
    return done.reply


def _create(ctx: Context, message: CreateThread) -> Done[ThreadCreated, Thread]:
    def work() -> tuple[ThreadCreated, Thread]:
        title = UNTITLED if message.title is UNSET else one_line(message.title)
        thread = new_thread(ctx.user, title, title_version=MADE_VERSION)
        reply = ThreadCreated(
            thread_id=str(thread.pk),
            title=thread.title,
            updated_at=timestamp(thread.updated_at),
            duplicate=False,
        )
        return reply, thread

    return once(ctx, message, ThreadCreated, work)


async def rename_thread(ctx: Context, message: RenameThread) -> ThreadRenamed:
    """Give the thread another title and tell its members."""
    thread = await in_database(_rename, ctx.user.id, message)
    await _tell(thread)
    return ThreadRenamed(
        thread_id=str(thread.pk), title=thread.title, updated_at=timestamp(thread.updated_at)
    )


def _rename(user_id: str, message: RenameThread) -> Thread:
    thread = owned_thread(user_id, message.thread_id)
    rename(thread, one_line(message.title))
    return thread


async def _tell(thread: Thread) -> None:
    try:
        await tell_title(thread.pk)
    except RedisError as error:
        logger.warning("the title of thread %s is told later: %s", thread.pk, error)


async def delete_thread(ctx: Context, message: DeleteThread) -> ThreadDeleted:
    """Take the thread away from everybody, stop its runs, and tell the members when all has ended."""
    thread = await in_database(_delete, ctx.user.id, message.thread_id)
    try:
        await remove(thread.pk)
    except RedisError as error:
        logger.warning("the end of thread %s is told later: %s", thread.pk, error)
    return ThreadDeleted(
        thread_id=str(thread.pk), title=thread.title, updated_at=timestamp(thread.updated_at)
    )


@transaction.atomic
def _delete(user_id: str, thread_id: UUID) -> Thread:
    """With the thread its runs are marked: whoever is at work on one stops, whatever becomes of us."""
    thread = owned_thread(user_id, thread_id)
    delete(thread)
    runs.request_stops(thread.pk)
    return thread
