"""The tools of one run: each call is journaled, bounded, told to the members, and ended exactly once."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import msgspec
from django.contrib.auth import get_user_model

from chatrouting.agents import approvals, journal
from chatrouting.agents.contract import ToolOffer, ToolResult, ToolStatus
from chatrouting.agents.execution import execute
from chatrouting.agents.journal import RunOver
from chatrouting.agents.models import OPEN, Approval, Run, ToolCall
from chatrouting.agents.publisher import RunPublisher
from chatrouting.agents.tools import Tool, ToolContext
from chatrouting.database import patiently
from chatrouting.threads.rules import Person
from routing_core.messages import Message, rule_broken

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _OpenCall:
    row: ToolCall
    began: float
    stoppable: bool = True


class Toolbox:
    """Calls the project's tools for an agent. See `contract.Tools`.

    `numbered` is how many calls without an id of their own came before the place where the agent goes on.
    """

    def __init__(
        self, run: Run, publisher: RunPublisher, tools: Mapping[str, Tool], numbered: int = 0
    ) -> None:
        self._run = run
        self._publisher = publisher
        self._tools = tools
        self._journaled: dict[str, ToolCall] = {}
        self._open: dict[str, _OpenCall] = {}
        self._made: set[str] = set()
        self._told: set[str] = set()
        self._at_work: set[str] = set()
        self._waiting: set[str] = set()
        self._over = False
        self.numbered = numbered
        self.moved_at = 0.0
        self.suspended = asyncio.Event()
        self.used: list[str] = list(run.tools_used)

    @property
    def names(self) -> tuple[str, ...]:
        """The tools there are."""
        return tuple(self._tools)

    @property
    def offers(self) -> tuple[ToolOffer, ...]:
        """The same, as a model is told of them."""
        return tuple(
            ToolOffer(each.name, each.description, each.schema) for each in self._tools.values()
        )

    @property
    def busy(self) -> bool:
        """Whether a tool of the project is at work: it has a limit of its own."""
        return bool(self._at_work - self._waiting)

    @property
    def idle(self) -> bool:
        """Whether no call is under way, but such as wait for a person."""
        return not self.busy and not self._open.keys() - self._waiting

    async def take_up(self, *, told: bool) -> None:
        """Go on with what the run has journaled. `told`: the members have heard all of it.

        A call that a lost worker had begun is interrupted, unless its tool may be called again.
        """
        for row in await patiently(journal.of_run, self._run):
            self._journaled[row.call_id] = row
            self._use(row.tool)
            said = approvals.told_before_end(row, approvals.read_with(row))
            if told:  # but for a decision, which came since
                self._told.update(self._key(message) for message in said[:2])
            else:
                await self._tell(*said)
            if row.status in OPEN:
                self._open[row.call_id] = _OpenCall(
                    row, time.monotonic(), self._stoppable(row.tool)
                )
                await self._take_up_open(row)
            elif not told:
                await self._tell(journal.told_end(row))

    async def _take_up_open(self, row: ToolCall) -> None:
        found = self._tools.get(row.tool)
        if row.status == ToolCall.Status.WAITING or (found and found.conditions.idempotent):
            return
        text = journal.LOST_TEXT
        lost = ToolResult(row.call_id, ToolStatus.INTERRUPTED, code=journal.INTERRUPTED, text=text)
        await self._end(row.call_id, lost)

    async def call(self, name: str, arguments: Mapping[str, Any], call_id: str = "") -> ToolResult:
        """Run the tool and return how it ended; what it raises becomes a status."""
        if self.suspended.is_set():
            await _for_ever()
        given: dict[str, Any] = msgspec.to_builtins(dict(arguments), str_keys=True)
        chosen = call_id or self._next_id(name, given)
        self._at_work.add(chosen)
        try:
            return await self._made_to_end(chosen, name, given)
        finally:
            self._at_work.discard(chosen)
            self._suspend_if_idle()

    async def _made_to_end(self, call_id: str, name: str, given: dict[str, Any]) -> ToolResult:
        await self.begin(call_id, name, given, stoppable=self._stoppable(name))
        known = self._journaled[call_id]
        if known.status not in OPEN:
            return journal.result_of(known)
        result = await self._result(call_id, name, given)
        self._demand_running()
        return await self._end(call_id, result)

    async def begin(
        self, call_id: str, name: str, arguments: Mapping[str, Any], *, stoppable: bool = True
    ) -> None:
        """Journal the call, then tell of it. It is open from the moment the members are told.

        One that the agent made before it went on is known already, and is not told again. Raises `RunOver`
        where the run has ended.
        """
        self._demand_running()
        given = msgspec.to_builtins(dict(arguments), str_keys=True)
        known = self._journaled.get(call_id)
        is_known = known is not None and self._made_before(known, name, given)
        self._made.add(call_id)
        if is_known:
            return
        self._use(journal.shown_name(name))
        row = await patiently(journal.begin, self._run, call_id, name, given)
        self._demand_running()
        self._journaled[call_id] = row
        await self._tell(journal.told_begin(row))
        self.moved_at = time.monotonic()
        self._open[call_id] = _OpenCall(row, self.moved_at, stoppable)

    async def complete(self, result: ToolResult) -> None:
        """End an open call; a second end of one call is dropped. Raises `RunOver` as `begin` does."""
        self._demand_running()
        if result.call_id not in self._open:
            logger.warning("run %s: call %s is not open", self._run.pk, result.call_id)
            return
        plain = msgspec.to_builtins(result.result, str_keys=True)
        await self._end(result.call_id, replace(result, result=plain))

    async def interrupt_open(self, *, but_waiting: bool = False) -> None:
        """End what is still open: the run ends, or waits. An agent that does not stop is not heard any more."""
        self._over = True
        kept = self._waiting if but_waiting else set()
        for call_id, call in [each for each in self._open.items() if each[0] not in kept]:
            text = journal.STOPPED_TEXT if call.stoppable else journal.UNSTOPPABLE_TEXT
            cut = ToolResult(call_id, ToolStatus.INTERRUPTED, code=journal.INTERRUPTED, text=text)
            with contextlib.suppress(RunOver):  # it has just ended, or is another worker's
                await self._end(call_id, cut)

    async def _end(self, call_id: str, result: ToolResult) -> ToolResult:
        """The first end that is journaled is the one that is told, and that the agent gets.

        What was decided about the call is told before: with its end that nobody decides any more.
        """
        call = self._open.get(call_id)
        if call is None:
            raise RunOver
        duration_ms = round((time.monotonic() - call.began) * 1000)
        row = await patiently(approvals.end, self._run, call.row, result, duration_ms)
        self._journaled[call_id] = row
        asked = approvals.told_asked(row, approvals.read_with(row))
        await self._tell(*asked, journal.told_end(row))
        self._open.pop(call_id, None)
        self.moved_at = time.monotonic()
        return journal.result_of(row)

    async def _result(self, call_id: str, name: str, arguments: dict[str, Any]) -> ToolResult:
        found = self._tools.get(name)
        if found is None:
            text = f"There is no such tool; there are: {', '.join(self.names)}."
            return ToolResult(call_id, ToolStatus.ERROR, code="unknown_tool", text=text)
        try:
            parsed = found.parse(arguments)
        except msgspec.ValidationError as error:
            return _invalid(call_id, error)
        if not await patiently(_may_use, self._run, found):
            text = "The person who started the run may not use this tool."
            return ToolResult(call_id, ToolStatus.DENIED, code="permission_denied", text=text)
        if not found.conditions.needs_approval:
            return await self._executed(found, call_id, parsed)
        return await self._approved(found, call_id)

    async def _approved(self, found: Tool, call_id: str) -> ToolResult:
        row = self._journaled[call_id]
        approval = await self._decided(row)
        refused = approvals.refused(row, approval)
        if refused is not None:
            return refused
        try:
            parsed = found.parse(approvals.arguments_of(row, approval))
        except msgspec.ValidationError as error:
            return _invalid(call_id, error)
        await patiently(approvals.start, self._run, row)
        return await self._executed(found, call_id, parsed)

    async def _decided(self, row: ToolCall) -> Approval:
        """The decision about the call. Without one this does not return: the run is to wait."""
        approval = await patiently(approvals.of, row)
        if approval is None:
            approval = await patiently(approvals.require, self._run, row)
        self._demand_running()
        await self._tell(*approvals.told_asked(row, approval))
        if approval.decision:
            return approval
        self._waiting.add(row.call_id)
        self._suspend_if_idle()
        await _for_ever()

    async def _executed(self, found: Tool, call_id: str, parsed: dict[str, Any]) -> ToolResult:
        user = Person(str(self._run.user_id), self._run.username)
        context = ToolContext(user, self._run.pk, self._run.thread_id, call_id)
        return await execute(found, parsed, context)

    def _suspend_if_idle(self) -> None:
        """The run waits once its other calls have ended."""
        if self._waiting and not self.busy:
            self.suspended.set()

    def _next_id(self, name: str, arguments: dict[str, Any]) -> str:
        """The id of the next call that was given none: of the same call, where the agent goes on."""
        while True:
            self.numbered += 1
            call_id = f"{self._run.pk.hex[:12]}-{self.numbered}"
            known = self._journaled.get(call_id)
            if known is None or self._made_before(known, name, arguments):
                return call_id

    def _made_before(self, known: ToolCall, name: str, arguments: dict[str, Any]) -> bool:
        """Whether this is a call of before that the agent, going on, makes for the first time."""
        same = known.tool == journal.shown_name(name)
        same = same and known.raw_arguments == json.dumps(arguments)
        return same and known.call_id not in self._made

    def _stoppable(self, name: str) -> bool:
        found = self._tools.get(name)
        return found is None or found.is_async

    def _use(self, name: str) -> None:
        if name not in self.used:
            self.used.append(name)

    async def _tell(self, *messages: Message) -> None:
        for message in messages:
            key = self._key(message)
            if key not in self._told:
                await self._publisher.publish(message, key=key)
                self._told.add(key)

    def _key(self, message: Message) -> str:
        return journal.event_key(self._run, message)

    def _demand_running(self) -> None:
        if self._over:
            raise RunOver


def _invalid(call_id: str, error: msgspec.ValidationError) -> ToolResult:
    code = ToolStatus.INVALID_ARGUMENTS.value
    return ToolResult(call_id, ToolStatus.INVALID_ARGUMENTS, code=code, text=rule_broken(error))


def _may_use(run: Run, found: Tool) -> bool:
    """The permission is looked up anew for each call."""
    permission = found.conditions.permission
    if not permission:
        return True
    return bool(get_user_model().objects.get(pk=str(run.user_id)).has_perm(permission))


async def _for_ever() -> NoReturn:
    """Wait until the supervisor cancels the agent."""
    await asyncio.Event().wait()
    raise RunOver
