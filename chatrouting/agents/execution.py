"""Making one call of a tool: within its time, in a thread where it is synchronous, whatever it raises."""

import asyncio
import contextvars
import functools
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from chatrouting.agents.contract import ToolResult, ToolStatus
from chatrouting.agents.tools import Tool, ToolContext
from chatrouting.agents.tracing import trace_of_now
from chatrouting.conf import chat_settings
from chatrouting.database import with_fresh_connections

logger = logging.getLogger(__name__)


async def execute(found: Tool, parsed: Mapping[str, Any], context: ToolContext) -> ToolResult:
    """Make the call and say how it ended."""
    seconds = found.conditions.seconds or chat_settings().tool_seconds
    try:
        async with asyncio.timeout(seconds) as limit:
            value = await _value(found.bound(parsed, context), is_async=found.is_async)
            plain = msgspec.to_builtins(value, str_keys=True)
        return ToolResult(context.call_id, ToolStatus.OK, plain)
    except Exception:  # an edge: whatever a tool raises, the run goes on and the model is told
        if limit.expired():
            text = f"The tool took longer than {seconds:g} s."
            return ToolResult(context.call_id, ToolStatus.TIMEOUT, code="tool_timeout", text=text)
        trace_id = trace_of_now()
        logger.exception("tool %s failed, trace %s", found.name, trace_id)
        text = f"The tool failed (trace {trace_id})."
        return ToolResult(context.call_id, ToolStatus.ERROR, code="tool_failed", text=text)


async def _value(function: Callable[[], Any], *, is_async: bool) -> Any:
    if is_async:
        return await function()
    here = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        _threads(), here.run, with_fresh_connections, function
    )


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Where synchronous tools run; a thread cannot be stopped."""
    return ThreadPoolExecutor(chat_settings().sync_tools, thread_name_prefix="tool")
