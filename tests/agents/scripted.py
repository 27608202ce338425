"""Agents that do what a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from chatrouting.agents.contract import (
    AgentEvent,
    CrashPolicy,
    Delta,
    RunContext,
    ToolCall,
    ToolResult,
)

Step = AgentEvent | BaseException | float | tuple[str, dict[str, Any]]


class ScriptedAgent:
    """Takes its steps one after another.

    An event is said, an exception raised, a number slept for so many seconds, and a pair of a name and
    arguments is a call of one of the project's tools. `seen` holds the contexts it was given, `results` what
    the calls gave.
    """

    name: ClassVar[str] = "demo"
    on_crash: ClassVar[CrashPolicy] = CrashPolicy.RESTART

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = tuple(steps)
        self.seen: list[RunContext] = []
        self.results: list[ToolResult] = []

    async def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        self.seen.append(ctx)
        for step in self.steps:
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, tuple):
                self.results.append(await ctx.tools.call(*step))
            else:
                yield step


class FailingAgent(ScriptedAgent):
    """Is not begun again after a crash."""

    on_crash: ClassVar[CrashPolicy] = CrashPolicy.FAIL


class StubbornAgent(ScriptedAgent):
    """Swallows its cancellation and goes on talking and calling, until nobody listens."""

    def __init__(self, each: Callable[[int], AgentEvent | None] = lambda n: Delta(f"{n} ")) -> None:
        super().__init__()
        self.each = each
        self.ended = asyncio.Event()

    async def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        try:
            for number in range(1, 10_000):
                try:
                    await asyncio.sleep(0.005)
                except asyncio.CancelledError:
                    continue
                event = self.each(number)
                if event is None:
                    await ctx.tools.call("clock", {})
                else:
                    yield event
        finally:
            self.ended.set()


def own_call(number: int) -> ToolCall:
    """A call of a tool of the agent's own, never ended."""
    return ToolCall(f"call-{number}", "own", {"n": number})
