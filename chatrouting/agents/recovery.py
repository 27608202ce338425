"""What a worker that died left of a run: its text, and calls of tools without an end."""

from redis.exceptions import RedisError

from chatrouting.agents.messages import ToolCompleted, ToolFailure
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.toolbox import STOPPED
from chatrouting.database import in_database
from chatrouting.stream.log import RunMark
from chatrouting.stream.publishing import Event, event_log, publish
from chatrouting.threads.rules import member_ids


def tool_started(run: Run) -> bool:
    """Whether a tool of this run has begun: then it may have done something in the world."""
    return run.tool_calls.exists()


async def text_so_far(run: Run) -> str:
    """What the members have seen of the answer; empty where Valkey has lost it."""
    try:
        return (await event_log().run_text(str(run.user_id), str(run.pk))).text
    except RedisError:
        return ""


async def interrupt_calls(run: Run) -> None:
    """Tell the members of the end of each call that was begun and not ended."""
    members = await in_database(member_ids, run.thread_id)
    code, text = STOPPED
    for ordinal, call in enumerate(await in_database(_open_calls, run), start=1):
        message = ToolCompleted(
            call_id=call.call_id,
            tool=call.tool,
            status=ToolCall.Status.INTERRUPTED.value,
            duration_ms=0,
            error=ToolFailure(code=code, message=text),
        )
        mark = RunMark(str(run.pk), run.fence, ordinal)
        await publish(members, Event(message, run.thread_id, run.pk, mark=mark))


def _open_calls(run: Run) -> list[ToolCall]:
    return list(run.tool_calls.filter(status=ToolCall.Status.STARTED).order_by("id"))
