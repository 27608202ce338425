"""What a worker that died left of a run: its text, and calls of tools without an end."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from redis.exceptions import ResponseError

from chatrouting.agents import approvals, journal
from chatrouting.agents.messages import (
    ApprovalRequired,
    ApprovalResolved,
    ToolCompleted,
    ToolExecuting,
)
from chatrouting.agents.models import Run, ToolCall
from chatrouting.database import in_database
from chatrouting.stream.log import RunMark
from chatrouting.stream.publishing import Event, event_log, publish
from chatrouting.stream.scripts import is_damage
from chatrouting.threads.rules import member_ids

ToolMessage: TypeAlias = ToolExecuting | ApprovalRequired | ApprovalResolved | ToolCompleted


def tool_started(run: Run) -> bool:
    """Whether a tool of this run has begun: then it may have done something in the world."""
    return run.tool_calls.exists()


def tools_used(run: Run) -> tuple[str, ...]:
    """The names of the tools it has called, each once."""
    return tuple(run.tool_calls.order_by("id").values_list("tool", flat=True).distinct())


async def text_so_far(run: Run) -> str:
    """What the members have seen of the answer; empty where Valkey has lost it.

    Who joined the thread during the run may have none of it, so the longest counts. Raises redis-py's errors.
    """
    members = await in_database(member_ids, run.thread_id)
    asked = [_text_seen_by(user_id, run) for user_id in members]
    return max(await asyncio.gather(*asked), key=len, default="")


async def _text_seen_by(user_id: str, run: Run) -> str:
    try:
        return (await event_log().run_text(user_id, str(run.pk))).text
    except ResponseError as error:
        if not is_damage(error):
            raise
        return ""


async def close_calls(run: Run, *statuses: str) -> None:
    """Tell the members of each call from its beginning to its end, or of those in one of these states.

    A worker journals before it tells: what the members have heard is known to the stream alone. So all is
    told again, under the same keys.
    """
    told = await in_database(told_calls, run, *statuses)
    members = await in_database(member_ids, run.thread_id) if told else []
    await tell_calls(run, members, told)


async def tell_calls(run: Run, members: Sequence[str], told: Sequence[ToolMessage]) -> None:
    """Tell these members what is said of the calls."""
    mark = RunMark(str(run.pk), run.fence)
    for message in told:
        key = journal.event_key(run, message)
        await publish(members, Event(message, run.thread_id, run.pk, key, mark))


def told_calls(run: Run, *statuses: str) -> list[ToolMessage]:
    """What is said of each call from its beginning to its end, or of those in one of these states."""
    found = run.tool_calls.select_related("approval").order_by("id")
    calls = found.filter(status__in=statuses) if statuses else found
    return [message for call in calls for message in _told_of(call)]


def _told_of(call: ToolCall) -> list[ToolMessage]:
    before = approvals.told_before_end(call, approvals.read_with(call))
    return [*before, journal.told_end(call)]
