"""Handlers: making a thread, and what only its owner may do with it."""

import logging

from msgspec import UNSET
from redis.exceptions import RedisError

from chatrouting.chat.context import Context
from chatrouting.chat.receipts import Done, once
from chatrouting.chat.thread_messages import (
    CreateThread,
    RenameThread,
    ThreadCreated,
    ThreadRenamed,
)
from chatrouting.chat.titles import tell_title
from chatrouting.database import in_database
from chatrouting.threads.models import Thread
from chatrouting.threads.rules import UNTITLED, new_thread, one_line, owned_thread, rename
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
        thread = new_thread(ctx.user, title, title_version=1)
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
    except RedisError:
        logger.warning("the title of thread %s is told later", thread.pk, exc_info=True)
