"""Handlers: the people of a thread — letting them in, removing them, seeing them type."""

import asyncio
import logging
from uuid import UUID

from django.db import transaction
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.chat.context import Context
from chatrouting.chat.member_messages import (
    AddMember,
    Members,
    RemoveMember,
    Typing,
    TypingNoted,
    UserTyping,
)
from chatrouting.chat.presence import introduce
from chatrouting.chat.quota import Quota
from chatrouting.chat.receipts import Done, is_repeated, once
from chatrouting.chat.turnover import tell_turnover
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.stream.doorbell import Signal, ring_signal
from chatrouting.threads import membership
from chatrouting.threads.rules import member_ids, thread_of
from routing_core.envelope import encode_signal
from routing_core.errors import Overloaded

logger = logging.getLogger(__name__)

HOUR = 3600.0


async def add_member(ctx: Context, message: AddMember) -> Members:
    """Let a person in and tell all who are in the thread.

    Who may not share is refused before anything is looked up; who may is counted, so that nobody learns
    which names exist by trying them.
    """
    if not await in_database(_was_done, ctx, message):
        await Quota("share", chat_settings().shares_per_hour, HOUR).spend(ctx.user.id)
    done = await in_database(_add, ctx, message)
    if done.work:
        await _tell(message.thread_id)
        await introduce(done.reply.members[-1].user_id, message.thread_id)
    return done.reply


def _was_done(ctx: Context, message: AddMember) -> bool:
    if is_repeated(ctx):
        return True
    membership.demand_sharing(ctx.user.id, message.thread_id)
    return False


def _add(ctx: Context, message: AddMember) -> Done[Members, bool]:
    def work() -> tuple[Members, bool]:
        joined = membership.add(ctx.user.id, message.thread_id, message.username)
        return _members(message.thread_id), joined

    return once(ctx, message, Members, work)


async def remove_member(ctx: Context, message: RemoveMember) -> Members:
    """Let a person out: nothing more of the thread reaches them once this is answered."""
    reply = await in_database(_remove, ctx, message)
    await _tell(message.thread_id)
    return reply


def _remove(ctx: Context, message: RemoveMember) -> Members:
    with transaction.atomic():
        membership.remove(ctx.user.id, message.thread_id, message.username)
        return _members(message.thread_id)


def _members(thread_id: UUID) -> Members:
    return Members(thread_id=str(thread_id), members=membership.members_of(thread_id))


async def _tell(thread_id: UUID) -> None:
    """What is committed holds: a Valkey that is away takes nothing back."""
    try:
        await tell_turnover(thread_id)
    except RedisError as error:
        logger.warning("the members of thread %s are told later: %s", thread_id, error)


async def user_typing(ctx: Context, message: UserTyping) -> TypingNoted:
    """Show it to the other members and on the user's other sockets; it is kept nowhere.

    Where the database has too much to do it is dropped.
    """
    try:
        seen_by = await in_database(_seen_by, ctx.user.id, message.thread_id)
    except Overloaded:
        counters.signals_dropped.labels("typing").inc()
        return TypingNoted()
    typing = Typing(
        thread_id=str(message.thread_id),
        user_id=ctx.user.id,
        name=ctx.user.name,
        is_typing=message.is_typing,
    )
    signal = Signal(encode_signal(typing), except_connection=ctx.connection_id)
    await asyncio.gather(*(ring_signal(user_id, signal) for user_id in seen_by))
    return TypingNoted()


def _seen_by(user_id: str, thread_id: UUID) -> list[str]:
    thread_of(user_id, thread_id)
    return member_ids(thread_id)
