"""The agent that asks a language model: any that pydantic-ai knows, at any OpenAI-compatible address.

This module is light, so that every process may know the agent's name. What imports pydantic-ai, which
takes seconds, is imported in a thread of the worker, at its start or with the first run.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from chatrouting.agents.contract import AgentEvent, CrashPolicy, RunContext

if TYPE_CHECKING:
    from chatrouting.agents.providers.model import LanguageModel


class Assistant:
    """Answers with the model of `AGENT_MODEL` and the tools of `CHATROUTING["MODEL_TOOLS"]`."""

    name: ClassVar[str] = "assistant"
    on_crash: ClassVar[CrashPolicy] = CrashPolicy.CONTINUE

    def __init__(self) -> None:
        self._model: LanguageModel | None = None
        self._loading = asyncio.Lock()

    async def prepare(self) -> None:
        """See `catalogue.Prepared`. Raises `AgentError` where the settings name no model that there is."""
        await self._ready()

    async def close(self) -> None:
        """See `catalogue.Prepared`."""
        model, self._model = self._model, None
        if model is not None:
            await model.close()

    async def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        """See `contract.Agent`."""
        model = await self._ready()
        async with aclosing(model.answer(ctx)) as events:
            async for event in events:
                yield event

    async def _ready(self) -> "LanguageModel":
        async with self._loading:
            if self._model is None:
                self._model = await (await asyncio.to_thread(_load)).open()
            return self._model


def _load() -> "LanguageModel":
    from chatrouting.agents.providers.model import LanguageModel

    return LanguageModel.from_settings()
