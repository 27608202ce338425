"""One run of the assistant: ask the model, make the calls it asks for, ask again, until it only speaks.

What the model asked for is saved before its calls are made. A run that goes on makes the same calls under
the same ids, and the run's journal knows which of them have ended: no call is made twice, none is left
without an answer.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.usage import RunUsage, UsageLimits

from chatrouting.agents.contract import (
    AgentEvent,
    Delta,
    Final,
    RunContext,
    Saved,
    ToolCall,
    ToolResult,
    Usage,
)
from chatrouting.agents.providers import history
from chatrouting.agents.providers.asking import Asking
from chatrouting.agents.providers.calling import Call, Calling, told
from chatrouting.agents.providers.failures import FILTERED, INVALID, LIMIT, TOO_LONG, failed
from chatrouting.agents.providers.progress import Progress
from chatrouting.conf import chat_settings

# How a model may stop without having said all → what that means.
STOPPED_SHORT = {"content_filter": FILTERED, "length": TOO_LONG, "error": INVALID}
BETWEEN = "\n\n"


class Answering:
    """One run: what was said to the model and by it, from the question or from what was saved."""

    def __init__(self, ctx: RunContext, model: Model[Any]) -> None:
        conf = chat_settings()
        self._ctx = ctx
        self._model = model
        self._instructions = conf.instructions
        self._limits = UsageLimits(request_limit=conf.model_requests)
        self._calling = Calling(ctx)
        self._parameters = ModelRequestParameters(function_tools=self._calling.offers())
        self._before = history.told(ctx.history, conf.instructions)
        self._progress = Progress.restored(ctx.saved)
        self._usage = ctx.usage or Usage(0, 0)
        self._spoken = bool(ctx.text)

    async def events(self) -> AsyncGenerator[AgentEvent, None]:
        """Everything to the end. Raises `AgentError`."""
        while (step := self._next()) is not None:
            async with aclosing(step) as events:
                async for event in events:
                    yield event
        if not self._spoken:
            raise failed(INVALID)
        yield Final()

    def _next(self) -> AsyncGenerator[AgentEvent, None] | None:
        """What the last message asks for; None where it is the answer."""
        calls = self._calls()
        if calls:
            return self._call(calls)
        return self._ask() if isinstance(self._messages[-1], ModelRequest) else None

    @property
    def _messages(self) -> list[ModelMessage]:
        return [*self._before, *self._progress.messages]

    async def _ask(self) -> AsyncGenerator[AgentEvent, None]:
        self._demand_within_limits()
        asking = Asking(self._ctx, self._model, self._messages, self._parameters)
        between = BETWEEN if self._spoken else ""
        async with aclosing(asking.events()) as events:
            async for event in events:
                if isinstance(event, Delta) and event.text:
                    event, between = Delta(between + event.text), ""
                    self._spoken = True
                yield event
        response = asking.response
        if response.usage.total_tokens:
            self._usage = _sum(self._usage, response)
            yield self._usage
        stopped_short = STOPPED_SHORT.get(response.finish_reason or "")
        if stopped_short is not None:
            raise failed(stopped_short)
        self._progress.messages.append(response)
        self._progress.requests += 1
        if self._calls():
            yield Saved(self._progress.as_json())

    def _demand_within_limits(self) -> None:
        try:
            self._limits.check_before_request(RunUsage(requests=self._progress.requests))
        except UsageLimitExceeded:
            raise failed(LIMIT) from None

    def _calls(self) -> list[Call]:
        """The calls that the last message asks for. An id is that of the same call, also after a crash."""
        parts = [part for part in self._messages[-1].parts if isinstance(part, ToolCallPart)]
        step = f"{self._ctx.run_id.hex[:12]}-{self._progress.requests}"
        return [Call.read(f"{step}-{place}", part) for place, part in enumerate(parts, start=1)]

    async def _call(self, calls: Sequence[Call]) -> AsyncGenerator[AgentEvent, None]:
        results: dict[str, ToolResult] = {}
        for call in calls:
            refusal = self._calling.refusal(call)
            if refusal is not None:
                yield ToolCall(call.call_id, call.part.tool_name, call.arguments or {})
                yield refusal
                results[call.call_id] = refusal
        made = [call for call in calls if call.call_id not in results]
        for call, result in zip(made, await self._calling.make(made), strict=True):
            results[call.call_id] = result
        parts = [told(call, results[call.call_id]) for call in calls]
        self._progress.messages.append(ModelRequest(parts=parts, instructions=self._instructions))


def _sum(usage: Usage, response: ModelResponse) -> Usage:
    counted = response.usage
    return Usage(
        usage.input_tokens + counted.input_tokens, usage.output_tokens + counted.output_tokens
    )
