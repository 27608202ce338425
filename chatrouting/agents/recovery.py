"""What a worker that died left of a run: its text, and calls of tools without an end."""

import asyncio

from msgspec.structs import replace
from redis.exceptions import RedisError

from chatrouting.agents.messages import ToolCompleted, ToolExecuting, ToolFailure
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.toolbox import STOPPED, event_key
from chatrouting.database import in_database
from chatrouting.stream.log import RunMark
from chatrouting.stream.publishing import Event, event_log, publish
from chatrouting.threads.rules import member_ids


def tool_started(run: Run) -> bool:
    """Whether a tool of this run has begun: then it may have done something in the world."""
    return run.tool_calls.exists()


async def text_so_far(run: Run) -> str:
    """What the members have seen of the answer; empty where Valkey has lost it.

    Who joined the thread during the run may have none of it, so the longest counts.
    """
    members = await in_database(member_ids, run.thread_id)
    asked = [event_log().run_text(user_id, str(run.pk)) for user_id in members]
    try:
        return max((written.text for written in await asyncio.gather(*asked)), key=len, default="")
    except RedisError:
        return ""


async def close_calls(run: Run) -> None:
    """Tell the members of the beginning and the end of each call, where they have not heard of it.

    A worker journals a call before it tells of it, and tells of its end before it journals that: which
    of them it came to is known to the stream alone. So all is told again under the same keys.
    """
    members = await in_database(member_ids, run.thread_id)
    mark = RunMark(str(run.pk), run.fence)
    for call in await in_database(_calls, run):
        for message in (_begun(call), _ended(call)):
            key = event_key(run, message)
            await publish(members, Event(message, run.thread_id, run.pk, key, mark))


def _calls(run: Run) -> list[ToolCall]:
    return list(run.tool_calls.order_by("id"))


def _begun(call: ToolCall) -> ToolExecuting:
    return ToolExecuting(call_id=call.call_id, tool=call.tool, arguments=call.arguments)


def _ended(call: ToolCall) -> ToolCompleted:
    ended = ToolCompleted(
        call_id=call.call_id, tool=call.tool, status=call.status, duration_ms=call.duration_ms or 0
    )
    if call.status == ToolCall.Status.OK:
        return replace(ended, result=call.result)
    code, text = call.error_code, f"The call ended with {call.status}."
    if call.status == ToolCall.Status.STARTED:
        code, text = STOPPED
        ended = replace(ended, status=ToolCall.Status.INTERRUPTED.value)
    return replace(ended, error=ToolFailure(code=code, message=text))
