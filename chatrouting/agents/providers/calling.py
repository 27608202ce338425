"""The project's tools, as a model calls them: whatever happens in a call, the model is told how it ended."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from pydantic_ai.messages import ToolCallPart, ToolReturnPart
from pydantic_ai.tools import ToolDefinition

from chatrouting.agents.contract import RunContext, ToolResult, ToolStatus
from chatrouting.agents.journal import RunOver
from chatrouting.agents.tracing import trace_of_now
from chatrouting.conf import chat_settings
from chatrouting.stream.log import Fenced

logger = logging.getLogger(__name__)

AT_ONCE = 8
TOLD_CHARACTERS = 32_768


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the model makes. `arguments` is None where they are not a JSON object."""

    call_id: str
    part: ToolCallPart
    arguments: dict[str, Any] | None

    @classmethod
    def read(cls, call_id: str, part: ToolCallPart) -> "Call":
        """The call as the model wrote it."""
        try:
            return cls(call_id, part, part.args_as_dict(raise_if_invalid=True))
        except (ValueError, AssertionError):  # what pydantic-ai raises for text that is no object
            return cls(call_id, part, None)


class Calling:
    """The tools that the model of one run may call."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx
        self._places = asyncio.Semaphore(AT_ONCE)
        chosen = chat_settings().model_tools
        self._offered = {each.name: each for each in ctx.tools.offers if each.name in chosen}

    def offers(self) -> list[ToolDefinition]:
        """The tools, as pydantic-ai tells a model of them."""
        return [
            ToolDefinition(
                name=each.name,
                description=each.description,
                parameters_json_schema=dict(each.schema),
            )
            for each in self._offered.values()
        ]

    def refusal(self, call: Call) -> ToolResult | None:
        """Why this call cannot be made; None where it can."""
        if call.part.tool_name not in self._offered:
            text = f"There is no such tool; there are: {', '.join(self._offered)}."
            return ToolResult(call.call_id, ToolStatus.ERROR, code="unknown_tool", text=text)
        if call.arguments is None:
            text = "The arguments are not a JSON object."
            status = ToolStatus.INVALID_ARGUMENTS
            return ToolResult(call.call_id, status, code=status.value, text=text)
        return None

    async def make(self, calls: Sequence[Call]) -> list[ToolResult]:
        """Make these calls at once, some at a time; their results in the same order."""
        tasks = [asyncio.create_task(self._make(call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, call: Call) -> ToolResult:
        async with self._places:
            try:
                name, arguments = call.part.tool_name, call.arguments or {}
                return await self._ctx.tools.call(name, arguments, call.call_id)
            except (RunOver, Fenced):
                raise
            except Exception:  # an edge: what cannot be journaled has failed, and the run goes on
                trace_id = trace_of_now()
                logger.exception("tool %s failed, trace %s", call.part.tool_name, trace_id)
                text = f"The tool failed (trace {trace_id})."
                return ToolResult(call.call_id, ToolStatus.ERROR, code="tool_failed", text=text)


def told(call: Call, result: ToolResult) -> ToolReturnPart:
    """How the call ended, in words for the model."""
    name, provider_id = call.part.tool_name, call.part.tool_call_id
    if result.status is ToolStatus.OK:
        return ToolReturnPart(name, _bounded(result.result), provider_id)
    text = f"The call ended with status {result.status.value}. {result.text}"
    return ToolReturnPart(name, text, provider_id, outcome="failed")


def _bounded(value: Any) -> Any:
    """The value, or the beginning of its JSON where it is longer than a model should read."""
    text = msgspec.json.encode(value).decode()
    if len(text) <= TOLD_CHARACTERS:
        return value
    return f"{text[:TOLD_CHARACTERS]}… (cut: {len(text):,} characters in all)"
