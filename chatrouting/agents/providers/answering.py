"""One run of the assistant: ask the model, make the calls it asks for, ask again, until it only speaks."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from pydantic_ai.exceptions import UsageLimitExceeded
from pydantic_ai.messages import ModelRequest, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.usage import RunUsage, UsageLimits

from chatrouting.agents.contract import (
    AgentEvent,
    Delta,
    Final,
    RunContext,
    ToolCall,
    ToolResult,
    Usage,
)
from chatrouting.agents.providers import calling, history
from chatrouting.agents.providers.asking import Asking
from chatrouting.agents.providers.failures import FILTERED, INVALID, LIMIT, TOO_LONG, failed
from chatrouting.conf import chat_settings

# How a model may stop without having said all → what that means.
STOPPED_SHORT = {"content_filter": FILTERED, "length": TOO_LONG, "error": INVALID}
BETWEEN = "\n\n"


class Answering:
    """One run: what has been said to the model and by it, and what it counted."""

    def __init__(self, ctx: RunContext, model: Model[Any]) -> None:
        conf = chat_settings()
        self._ctx = ctx
        self._model = model
        self._instructions = conf.instructions
        self._limits = UsageLimits(
            request_limit=conf.model_requests, total_tokens_limit=conf.model_tokens
        )
        self._usage = RunUsage()
        self._calling = calling.Calling(ctx)
        self._messages = history.told(ctx.history, conf.instructions, conf.history_characters)
        self._parameters = ModelRequestParameters(function_tools=self._calling.offers())
        self._spoken = ""

    async def events(self) -> AsyncGenerator[AgentEvent, None]:
        """Everything from the question to the end. Raises `AgentError`."""
        calls: Sequence[calling.Call] = ()
        while calls or not self._usage.requests:
            async with aclosing(self._ask()) as said:
                async for event in said:
                    yield event
            calls = self._calls()
            async with aclosing(self._call(calls)) as called:
                async for event in called:
                    yield event
        if not self._spoken:
            raise failed(INVALID)
        yield Final(usage=self._counted())

    async def _ask(self) -> AsyncGenerator[AgentEvent, None]:
        try:
            self._limits.check_before_request(self._usage)
        except UsageLimitExceeded:
            raise failed(LIMIT) from None
        asking = Asking(self._ctx, self._model, self._messages, self._parameters)
        between = BETWEEN if self._spoken else ""
        async with aclosing(asking.events()) as events:
            async for event in events:
                if isinstance(event, Delta) and event.text:
                    event, between = Delta(between + event.text), ""
                    self._spoken += event.text
                yield event
        self._keep(asking.response)

    def _keep(self, response: ModelResponse) -> None:
        self._usage.requests += 1
        self._usage.incr(response.usage)
        stopped_short = STOPPED_SHORT.get(response.finish_reason or "")
        if stopped_short is not None:
            raise failed(stopped_short)
        self._messages.append(response)

    def _calls(self) -> list[calling.Call]:
        parts = [part for part in self._messages[-1].parts if isinstance(part, ToolCallPart)]
        step = self._usage.requests
        return [
            calling.Call.read(f"{step}-{place}", part) for place, part in enumerate(parts, start=1)
        ]

    async def _call(self, calls: Sequence[calling.Call]) -> AsyncGenerator[AgentEvent, None]:
        results: dict[str, ToolResult] = {}
        for call in calls:
            refusal = self._calling.refusal(call)
            if refusal is not None:
                yield ToolCall(call.call_id, call.part.tool_name, call.arguments or {})
                yield refusal
                results[call.call_id] = refusal
        made = [call for call in calls if call.call_id not in results]
        ended = await self._calling.make(made)
        results |= {call.call_id: result for call, result in zip(made, ended, strict=True)}
        if calls:
            parts = [calling.told(call, results[call.call_id]) for call in calls]
            self._messages.append(ModelRequest(parts=parts, instructions=self._instructions))

    def _counted(self) -> Usage | None:
        """None where the provider counted nothing."""
        if not self._usage.total_tokens:
            return None
        return Usage(self._usage.input_tokens, self._usage.output_tokens)
