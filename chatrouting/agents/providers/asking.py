"""One request to a model: its words as they come, tried again while none has come.

The first word comes within `CHATROUTING["MODEL_SECONDS"]`, all tries and pauses included, and each further
one within as much after the one before.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from typing import Any

from django.utils import timezone
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from chatrouting.agents.contract import Delta, RunContext, Thinking
from chatrouting.agents.providers.failures import failed, log_failure, meaning_of, pause_before
from chatrouting.conf import chat_settings

THOUGHT_CHARACTERS = 1_000
# Nothing to show, and yet a sign of life.
ALIVE = Delta("")


class Asking:
    """Asks the model once. `response` is there when `events` is through."""

    def __init__(
        self,
        ctx: RunContext,
        model: Model[Any],
        messages: Sequence[ModelMessage],
        parameters: ModelRequestParameters,
    ) -> None:
        self._ctx = ctx
        self._model = model
        self._messages = messages
        self._parameters = parameters
        self._response: ModelResponse | None = None
        self._shown = False
        self._seconds = chat_settings().model_seconds
        self._until = asyncio.get_running_loop().time() + self._seconds

    @property
    def response(self) -> ModelResponse:
        """The whole answer of the model."""
        if self._response is None:
            raise ValueError("the model has not answered yet")
        return self._response

    async def events(self) -> AsyncGenerator[Thinking | Delta, None]:
        """Say what the model says. Leaving ends the connection. Raises `AgentError`."""
        attempt = 0
        while self._response is None:
            attempt += 1
            try:
                async with aclosing(self._once()) as events:
                    async for event in events:
                        self._shown = self._shown or event is not ALIVE
                        yield event
            except Exception as error:  # noqa: BLE001 - reason: an edge; whatever is raised is logged and has a code
                await self._pause(attempt, error)

    async def _once(self) -> AsyncGenerator[Thinking | Delta, None]:
        async with model_request_stream(
            self._model,
            self._messages,
            model_settings=self._settings(),
            model_request_parameters=self._parameters,
        ) as stream:
            async with aclosing(spoken(stream)) as events:
                async for event in events:
                    yield event
            self._response = stream.get()

    async def _pause(self, attempt: int, error: Exception) -> None:
        """Wait until the request may be sent again. Raises `AgentError` where it may not."""
        pause = None if self._shown else pause_before(attempt, error)
        if pause is None or pause >= self._left():
            log_failure(self._ctx.run_id, error, f"the model failed at try {attempt}")
            raise failed(meaning_of(error, shown=self._shown), tried=True) from None
        log_failure(self._ctx.run_id, error, f"the model is asked again in {pause:.1f} s")
        await asyncio.sleep(pause)

    def _left(self) -> float:
        """Seconds in which the first word may still come."""
        deadline = (self._ctx.deadline - timezone.now()).total_seconds()
        return min(deadline, self._until - asyncio.get_running_loop().time())

    def _settings(self) -> ModelSettings:
        """What is waited for, and that trying again is done here alone."""
        first = max(self._left(), 0.001)
        return ModelSettings(timeout=self._seconds, first_event_timeout=first, max_retries=0)


async def spoken(events: AsyncIterable[object]) -> AsyncGenerator[Thinking | Delta, None]:
    """What pydantic-ai tells of an answer, in our words. Thoughts come by the paragraph."""
    thought = ""
    async for event in events:
        match event:
            case (
                PartStartEvent(part=TextPart(content=str() as text))
                | PartDeltaEvent(delta=TextPartDelta(content_delta=str() as text))
            ) if text:
                yield Delta(text)
            case (
                PartStartEvent(part=ThinkingPart(content=str() as text))
                | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str() as text))
            ):
                thought += text
                if len(thought) < THOUGHT_CHARACTERS and not thought.endswith("\n\n"):
                    yield ALIVE
                else:
                    yield Thinking(thought.strip())
                    thought = ""
            case PartEndEvent(part=ThinkingPart()) if thought.strip():
                yield Thinking(thought.strip())
                thought = ""
            case _:
                yield ALIVE
