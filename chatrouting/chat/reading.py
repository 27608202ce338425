"""Handlers: reading threads, their messages, and how a run stands."""

from bisect import bisect
from uuid import UUID

import msgspec
from django.db.models import Prefetch, Q, QuerySet, prefetch_related_objects
from msgspec import UNSET

from chatrouting.agents import runs
from chatrouting.agents.ending import CONTENT_BYTES, fits_a_frame
from chatrouting.agents.models import Run
from chatrouting.agents.recovery import text_so_far
from chatrouting.agents.saving import text_told
from chatrouting.agents.statuses import ACTIVE, RunStatus
from chatrouting.chat.context import Context
from chatrouting.chat.messages import (
    Author,
    ListThreads,
    MessageShown,
    RunStatusAsked,
    RunStatusTold,
    ThreadHistory,
    ThreadHistoryPage,
    ThreadList,
    ThreadShown,
)
from chatrouting.database import in_database
from chatrouting.stream.log import RunText
from chatrouting.stream.publishing import event_log
from chatrouting.threads.models import Thread, ThreadMessage
from chatrouting.threads.rules import seen_by, thread_of
from routing_core.envelope import timestamp
from routing_core.errors import NotFound

PAGE_BYTES = 400 * 1024


async def list_threads(ctx: Context, message: ListThreads) -> ThreadList:
    """One page of the threads the user is a member of."""
    return await in_database(_thread_list, ctx.user.id, message)


def _thread_list(user_id: str, message: ListThreads) -> ThreadList:
    found = Thread.objects.filter(seen_by(user_id)).order_by("-updated_at", "-id")
    if message.before is not UNSET:
        last = thread_of(user_id, message.before)
        found = found.filter(
            Q(updated_at__lt=last.updated_at) | Q(updated_at=last.updated_at, id__lt=last.id)
        )
    active = Prefetch("runs", Run.objects.filter(status__in=ACTIVE), to_attr="active")
    threads = list(found.prefetch_related(active)[: message.limit + 1])
    return ThreadList(
        threads=[_thread_shown(thread) for thread in threads[: message.limit]],
        more=len(threads) > message.limit,
    )


def _thread_shown(thread: Thread) -> ThreadShown:
    active: list[Run] = thread.active  # type: ignore[attr-defined]  # reason: set by the Prefetch above
    return ThreadShown(
        thread_id=str(thread.pk),
        title=thread.title,
        updated_at=timestamp(thread.updated_at),
        active_run_id=str(active[0].pk) if active else None,
    )


async def thread_history(ctx: Context, message: ThreadHistory) -> ThreadHistoryPage:
    """One page of a thread's messages. It holds fewer than `limit` where they are long."""
    return await in_database(_history, ctx.user.id, message)


def _history(user_id: str, message: ThreadHistory) -> ThreadHistoryPage:
    thread = thread_of(user_id, message.thread_id)
    found = thread.messages.select_related("asked_run", "answered_run").order_by("-position")
    if message.before is not UNSET:
        found = found.filter(position__lt=_position(found, message.before))
    said = list(found[: message.limit + 1])
    page = _fitting([_message_shown(each) for each in said[: message.limit]])
    return ThreadHistoryPage(
        thread_id=str(thread.pk), messages=page[::-1], more=len(said) > len(page)
    )


def _position(messages: QuerySet[ThreadMessage], message_id: UUID) -> int:
    position = messages.filter(pk=message_id).values_list("position", flat=True).first()
    if position is None:
        raise NotFound("There is no such message in this thread.")
    return position


def _fitting(newest_first: list[MessageShown]) -> list[MessageShown]:
    """As many as fit into a frame, one at least."""
    left = PAGE_BYTES
    for count, shown in enumerate(newest_first):
        left -= len(msgspec.json.encode(shown))
        if left < 0 and count:
            return newest_first[:count]
    return newest_first


def _message_shown(message: ThreadMessage) -> MessageShown:
    asked, answered = getattr(message, "asked_run", None), getattr(message, "answered_run", None)
    run: Run | None = asked or answered
    content = cut(message.content)
    return MessageShown(
        message_id=str(message.pk),
        role=message.role,
        author=Author(str(message.author_id) if message.author_id else None, message.author_name),
        content=content,
        run_id=str(run.pk) if run else None,
        created_at=timestamp(message.created_at),
        outcome=answered.outcome if answered else UNSET,
        truncated=len(content) < len(message.content),
    )


def cut(text: str) -> str:
    """The text, or as much of its beginning as one frame may hold."""
    if fits_a_frame(text):
        return text
    lengths = range(1, min(len(text), CONTENT_BYTES))
    return text[: bisect(lengths, False, key=lambda length: not fits_a_frame(text[:length]))]


async def run_status(ctx: Context, message: RunStatusAsked) -> RunStatusTold:
    """How a run stands.

    The text so far is read before the row: where the run ends in between, the row says so and has the whole
    text. The attempt is that which wrote it: the next has told nothing before it voids it. Who joined the
    thread during the run is shown what the others have seen of it.
    """
    run = await in_database(runs.run_of, ctx.user.id, message.run_id)
    written = await event_log().run_text(ctx.user.id, str(message.run_id))
    if not written.text and run.status != RunStatus.COMPLETED:
        written = await _seen_by_others(ctx.user.id, run) or written
    run = await in_database(_with_answer, ctx.user.id, message.run_id)
    if run.status == RunStatus.COMPLETED:
        top = (await event_log().read(ctx.user.id, "", 0)).top
        written = RunText(run.answer.content if run.answer else "", top)
    elif run.status == RunStatus.WAITING and not written.text:  # Valkey keeps it for minutes only
        top = (await event_log().read(ctx.user.id, "", 0)).top
        written = RunText(await in_database(text_told, run), top)
    return RunStatusTold(
        run_id=str(run.pk),
        thread_id=str(run.thread_id),
        status=run.status,
        agent=run.agent,
        text=cut(written.text),
        seq=written.seq,
        attempt=written.attempt or run.attempt,
        outcome=run.outcome or UNSET,
    )


async def _seen_by_others(user_id: str, run: Run) -> RunText | None:
    """The text of a run that began before this user joined; what follows may hold its last piece again."""
    top = await event_log().top(user_id)
    text = await text_so_far(run)
    return RunText(text, top.seq) if text else None


def _with_answer(user_id: str, run_id: UUID) -> Run:
    run = runs.run_of(user_id, run_id)
    prefetch_related_objects([run], "answer")
    return run
