"""Telling a thread's members that a run ended: after the database says so, and once."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.agents import causes, dead_letters, runs
from chatrouting.agents.admission import moved_since, positions_near
from chatrouting.agents.messages import (
    AgentCompleted,
    RunQueued,
    TokenUsage,
)
from chatrouting.agents.models import DeadLetter, Run, ToolCall
from chatrouting.agents.queue import enqueue
from chatrouting.agents.recovery import ToolMessage, tell_calls, text_so_far, told_calls
from chatrouting.agents.removal import conclude
from chatrouting.agents.statuses import RunStatus
from chatrouting.batches import Batches
from chatrouting.database import in_database, patiently
from chatrouting.outages import log_failure
from chatrouting.stream.log import Fenced, RunMark, TextChange
from chatrouting.stream.loops import PerLoop
from chatrouting.stream.publishing import (
    Event,
    Refusals,
    StreamRefused,
    note_refusals,
    publish,
    publish_each,
)
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import member_ids, members_of
from routing_core.messages import Message

logger = logging.getLogger(__name__)

Kind = DeadLetter.Kind

# Of many that end together: what begins meanwhile must not stand behind all of them.
ENDS_AT_ONCE = 2

_ends = PerLoop(lambda: asyncio.Semaphore(ENDS_AT_ONCE))
_published = PerLoop(lambda: Batches[UUID, None](runs.mark_published))

CONTENT_BYTES = 256 * 1024


async def finish(run: Run, ending: runs.Ending) -> bool:
    """End the run in the database, then tell of it and start what it kept waiting.

    False where the run has moved on: another worker has it, or it has ended already. A Valkey that does
    not answer delays the news, which the sweep then brings, but not the end. So does a member's stream that
    is damaged, for this member.
    """
    async with _ends.here:
        found = await patiently(_end, run, ending)
    if found is None:
        return False
    ended, news = found
    counters.runs_ended.labels(ending.outcome).inc()
    try:
        if refusals := await publish_news(news):
            _note_delay(run, StreamRefused(refusals))
        await _advance(ended)
        if ended.thread_deleted:
            await conclude(run.thread_id)
    except RedisError as error:
        # What it kept waiting begins no earlier than its end is told: by the sweep.
        _note_delay(run, error)
    return True


def _note_delay(run: Run, error: Exception) -> None:
    counters.events_lost.labels("end_delayed").inc()
    logger.warning("the end of run %s is published later: %s", run.pk, error)


def _end(run: Run, ending: runs.Ending) -> "tuple[runs.Ended, News] | None":
    """End the run, and read at once what is to be told of it: the database is waited for once."""
    ended = runs.end(run, ending)
    return None if ended is None else (ended, news_of(ended.run, called=ended.called))


def fits_a_frame(text: str) -> bool:
    """Whether a frame may hold the text: as it is sent, where a control character takes six bytes."""
    return len(text) * 6 <= CONTENT_BYTES or len(msgspec.json.encode(text)) <= CONTENT_BYTES


@dataclass(frozen=True, slots=True)
class News:
    """What the members of its thread are told of the end of a run."""

    run: Run
    members: list[str]
    calls: list[ToolMessage]
    content: str


def news_of(run: Run, *, called: bool = True) -> News:
    """Read it: what becomes of the rows afterwards does not matter to `publish_news`.

    `called`: whether the run may have called a tool.
    """
    calls = told_calls(run, ToolCall.Status.INTERRUPTED) if called else []
    content = run.answer.content if run.answer is not None else ""
    return News(run, member_ids(run.thread_id), calls, content)


async def publish_end(run: Run) -> None:
    """Append the run's end to the streams of its thread's members. Repeating it does nothing.

    For a day: then those who were told are remembered only where somebody was not. Raises `StreamRefused`
    where some are damaged: all others have it.
    """
    news = await in_database(news_of, run)
    untold = await in_database(dead_letters.untold, Kind.END, run.pk)
    if untold is not None:
        news = replace(news, members=[each for each in news.members if each in untold])
    if refusals := await publish_news(news):
        raise StreamRefused(refusals)


async def publish_news(news: News) -> Refusals:
    """As `publish_end`; returns whose streams refused it, and why. It is published once none does.

    An end without a text is given what the members have seen: that stands in their streams, which whoever
    ended the run may not have been able to read.
    """
    run, content = news.run, news.content or await _kept_text(news.run)
    await tell_calls(run, news.members, news.calls)
    before: list[Message] = [causes.told(run)] if run.error_code else []
    refusals = await _tell_end(run, news.members, [*before, _completed(run, content)])
    if not refusals:
        await _published.here.call(run.pk)
    return refusals


async def _kept_text(run: Run) -> str:
    text = await text_so_far(run)
    if text:
        answer = ThreadMessage.objects.filter(pk=run.answer_message_id)
        await in_database(answer.update, content=text)
    return text


async def publish_late(run: Run) -> None:
    """Publish an end that was kept back, and start what it kept waiting. Raises redis-py's errors.

    One that cannot be told is tried again, and then is a dead letter: the members are told that it ended, no more.
    """
    try:
        await publish_end(run)
        await in_database(dead_letters.note_success, Kind.END, run.pk)
    except RedisError:
        raise
    except Exception as error:  # noqa: BLE001 - reason: an edge: one end that cannot be told keeps no other back
        log_failure(logger, f"the end of run {run.pk} could not be told", error, (StreamRefused,))
        if await in_database(dead_letters.note_failure, Kind.END, run.pk, error):
            members = await in_database(member_ids, run.thread_id)
            refusals = await _tell_end(run, members, [_bare(run)])
            note_refusals(refusals, f"the end of run {run.pk}")
            await in_database(dead_letters.note_told, Kind.END, run.pk, refusals)
    await _advance(await in_database(runs.aftermath, run))


async def heed_end(run_id: UUID) -> None:
    """Tell of a run that was ended where nobody could tell of it, as `publish_late` does."""
    run = await in_database(_ended, run_id)
    if run is not None:
        await publish_late(run)


async def _tell_end(run: Run, members: Sequence[str], messages: Sequence[Message]) -> Refusals:
    """The last of them is the end. Its place is the same whatever comes before it this time."""
    refusals: Refusals = {}
    first = (2 if run.error_code else 1) - len(messages) + 1
    for ordinal, message in enumerate(messages, first):
        refusals = await publish_each(members, _event(run, message, ordinal))
    return refusals


def _event(run: Run, message: Message, ordinal: int) -> Event:
    mark = RunMark(str(run.pk), run.fence, ordinal, TextChange.DROP)
    return Event(message, run.thread_id, run.pk, mark=mark)


def _ended(run_id: UUID) -> Run | None:
    ended = Run.objects.filter(pk=run_id, status=RunStatus.COMPLETED, end_published_at=None)
    return ended.select_related("answer").first()


async def _advance(ended: runs.Ended) -> None:
    """Tell those that wait their places, and the workers of those that may begin."""
    await tell_positions(ended.moved)
    for admitted in ended.admitted:
        enqueue(admitted)


async def tell_positions(moved: Sequence[tuple[int, Run]]) -> None:
    """Tell the places of waiting runs, each to its thread's members; nothing of one a worker has by now.

    Whoever told looks afterwards whether it is still so, and tells again where it is not: so the last place
    that a stream says is true, however many processes tell at once.
    """
    while moved:
        members = await in_database(members_of, [run.thread_id for _, run in moved])
        telling = (_tell_place(run, place, members.get(run.thread_id, [])) for place, run in moved)
        told = await asyncio.gather(*telling, return_exceptions=True)
        for error in filter(None, told):
            raise error
        moved = await in_database(moved_since, moved)


async def let_begin(admitted: Sequence[Run]) -> None:
    """Tell the workers of runs that were admitted, and the members the places of those behind them."""
    for run in admitted:
        enqueue(run)
    if admitted:
        try:
            await tell_positions(await in_database(positions_near, admitted))
        except Exception as error:  # noqa: BLE001 - reason: an edge: a place is told when it changes again
            log_failure(logger, "places in the queue are told later", error)


async def _tell_place(run: Run, position: int, members: Sequence[str]) -> None:
    mark = RunMark(str(run.pk), run.fence)
    with contextlib.suppress(Fenced):
        await publish(
            members, Event(RunQueued(position=position), run.thread_id, run.pk, mark=mark)
        )


def _completed(run: Run, content: str) -> AgentCompleted:
    message = AgentCompleted(
        outcome=run.outcome,
        content=content if fits_a_frame(content) else None,
        message_id=str(run.answer_message_id),
        attempt=run.attempt,
        duration_ms=_duration_ms(run),
        tools_used=run.tools_used,
    )
    if run.input_tokens is None or run.output_tokens is None:
        return message
    usage = TokenUsage(input_tokens=run.input_tokens, output_tokens=run.output_tokens)
    return msgspec.structs.replace(message, usage=usage)


def _bare(run: Run) -> AgentCompleted:
    """The end without what may be damaged: the answer stands in the history."""
    return AgentCompleted(
        outcome=run.outcome,
        content=None,
        message_id=str(run.answer_message_id),
        attempt=run.attempt,
        duration_ms=0,
        tools_used=[],
    )


def _duration_ms(run: Run) -> int:
    if run.started_at is None or run.finished_at is None:
        return 0
    return round((run.finished_at - run.started_at).total_seconds() * 1000)
