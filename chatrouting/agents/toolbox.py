"""The tools of one run: each call is journaled, bounded, told to the members, and ended exactly once."""

import asyncio
import contextvars
import functools
import logging
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils import timezone

from chatrouting.agents.contract import ToolResult, ToolStatus
from chatrouting.agents.masking import masked, storable
from chatrouting.agents.messages import ToolCompleted, ToolExecuting, ToolFailure
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.publisher import RunPublisher
from chatrouting.agents.tools import Tool
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from routing_core.messages import rule_broken

logger = logging.getLogger(__name__)

RESULT_BYTES = 32 * 1024
NAME_CHARACTERS = 64
STOPPED = ("interrupted", "The run ended before the tool did.")
UNSTOPPABLE = (
    "interrupted",
    "The run ended; this tool cannot be stopped and may still finish its work.",
)


class RunOver(Exception):
    """The run has ended: no more is heard of its agent."""


@dataclass(frozen=True, slots=True)
class _OpenCall:
    call_id: str
    tool: str
    began: float
    stoppable: bool


class Toolbox:
    """Calls the project's tools for an agent. See `contract.Tools`."""

    def __init__(self, run: Run, publisher: RunPublisher, tools: Mapping[str, Tool]) -> None:
        self._run = run
        self._publisher = publisher
        self._tools = tools
        self._open: dict[str, _OpenCall] = {}
        self._over = False
        self.used: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The tools there are."""
        return tuple(self._tools)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run the tool and return how it ended; what it raises becomes a status."""
        call_id = uuid.uuid4().hex[:12]
        found = self._tools.get(name)
        await self.begin(call_id, name, arguments, stoppable=found is None or found.is_async)
        result = await self._result(call_id, found, arguments)
        await self.complete(result)
        return result

    async def begin(
        self, call_id: str, name: str, arguments: Mapping[str, Any], *, stoppable: bool = True
    ) -> None:
        """Journal the call, then tell of it. It is open from the moment the members are told.

        Raises `RunOver` where the run has ended.
        """
        name, shown = storable(name)[:NAME_CHARACTERS], _shown_arguments(arguments)
        self._demand_running()
        if name not in self.used:
            self.used.append(name)
        await in_database(
            ToolCall.objects.create,
            run=self._run,
            call_id=call_id,
            attempt=self._run.attempt,
            tool=name,
            arguments=shown,
            started_at=timezone.now(),
        )
        self._demand_running()
        message = ToolExecuting(call_id=call_id, tool=name, arguments=shown)
        await self._publisher.publish(message, key=event_key(self._run, message))
        self._open[call_id] = _OpenCall(call_id, name, time.monotonic(), stoppable)

    async def complete(self, result: ToolResult) -> None:
        """End an open call; a second end of one call is dropped. Raises `RunOver` as `begin` does."""
        self._demand_running()
        call = self._open.get(result.call_id)
        if call is None:
            logger.warning("run %s: call %s is not open", self._run.pk, result.call_id)
            return
        await self._end(call, result)

    async def interrupt_open(self) -> None:
        """End what is still open: the run ends. An agent that does not stop is not heard any more."""
        self._over = True
        for call in list(self._open.values()):
            code, text = STOPPED if call.stoppable else UNSTOPPABLE
            result = ToolResult(call.call_id, ToolStatus.INTERRUPTED, code=code, text=text)
            await self._end(call, result)

    async def _end(self, call: _OpenCall, result: ToolResult) -> None:
        message = _completed(call, result)
        await self._publisher.publish(message, key=event_key(self._run, message))
        self._open.pop(call.call_id, None)
        await in_database(_journal_end, self._run, message)

    def _demand_running(self) -> None:
        if self._over:
            raise RunOver

    async def _result(
        self, call_id: str, found: Tool | None, arguments: Mapping[str, Any]
    ) -> ToolResult:
        if found is None:
            text = f"There is no such tool; there are: {', '.join(self.names)}."
            return ToolResult(call_id, ToolStatus.ERROR, code="unknown_tool", text=text)
        try:
            parsed = found.parse(arguments)
        except msgspec.ValidationError as error:
            text = rule_broken(error)
            return ToolResult(
                call_id, ToolStatus.INVALID_ARGUMENTS, code="invalid_arguments", text=text
            )
        return await self._bounded(call_id, found, parsed)

    async def _bounded(self, call_id: str, found: Tool, parsed: dict[str, Any]) -> ToolResult:
        seconds = found.seconds or chat_settings().tool_seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                value = msgspec.to_builtins(await _execute(found, parsed), str_keys=True)
            return ToolResult(call_id, ToolStatus.OK, value)
        except Exception:  # an edge: whatever a tool raises, the run goes on and the model is told
            if limit.expired():
                text = f"The tool took longer than {seconds:g} s."
                return ToolResult(call_id, ToolStatus.TIMEOUT, code="tool_timeout", text=text)
            trace_id = uuid.uuid4().hex
            logger.exception("tool %s failed, trace %s", found.name, trace_id)
            text = f"The tool failed (trace {trace_id})."
            return ToolResult(call_id, ToolStatus.ERROR, code="tool_failed", text=text)


async def _execute(found: Tool, parsed: dict[str, Any]) -> Any:
    if found.is_async:
        return await found.function(**parsed)
    work = functools.partial(
        contextvars.copy_context().run, functools.partial(found.function, **parsed)
    )
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Where synchronous tools run; a thread cannot be stopped."""
    return ThreadPoolExecutor(chat_settings().sync_tools, thread_name_prefix="tool")


def event_key(run: Run, message: ToolExecuting | ToolCompleted) -> str:
    """Under what the beginning or the end of a call is told: once, whoever tells it."""
    return f"{message.type}:{run.pk}:{message.call_id}"


def _shown_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = masked(msgspec.to_builtins(dict(arguments), str_keys=True))
    text = msgspec.json.encode(shown)
    return shown if len(text) <= RESULT_BYTES else {"…": masked(text.decode())}


def _completed(call: _OpenCall, result: ToolResult) -> ToolCompleted:
    duration_ms = round((time.monotonic() - call.began) * 1000)
    if result.status is ToolStatus.OK:
        shown = masked(result.result)
        if len(msgspec.json.encode(shown)) > RESULT_BYTES:
            shown = masked(msgspec.json.encode(shown).decode())
        return ToolCompleted(
            call_id=call.call_id,
            tool=call.tool,
            status=result.status,
            duration_ms=duration_ms,
            result=shown,
        )
    error = ToolFailure(code=result.code or result.status.value, message=masked(result.text))
    return ToolCompleted(
        call_id=call.call_id,
        tool=call.tool,
        status=result.status,
        duration_ms=duration_ms,
        error=error,
    )


def _journal_end(run: Run, message: ToolCompleted) -> None:
    failure = message.error if isinstance(message.error, ToolFailure) else None
    ToolCall.objects.filter(run=run, call_id=message.call_id).update(
        status=message.status,
        result=None if failure else message.result,
        error_code=failure.code if failure else "",
        duration_ms=message.duration_ms,
    )
