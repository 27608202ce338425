"""One attempt of a run: drives the agent and holds the protocol's rules for it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from chatrouting import counters
from chatrouting.agents import runs
from chatrouting.agents.contract import (
    Agent,
    AgentError,
    AgentEvent,
    Delta,
    Final,
    RunContext,
    Spoken,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from chatrouting.agents.ending import failure, finish
from chatrouting.agents.masking import storable
from chatrouting.agents.messages import AgentStarted, AgentThinking
from chatrouting.agents.models import Outcome, Run
from chatrouting.agents.publisher import DELTA_CHARACTERS, RunKey, RunPublisher
from chatrouting.agents.toolbox import RunOver, Toolbox
from chatrouting.agents.tools import installed_tools
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.stream.log import Fenced, TextChange
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import Person, member_ids

logger = logging.getLogger(__name__)

GRACE_SECONDS = 0.5


class Stop(StrEnum):
    """Why an attempt is stopped from outside."""

    CANCELLED = "cancelled"
    HANDED_OVER = "handed_over"
    TAKEN = "taken"


class Supervisor:
    """Runs an agent for a claimed run, from `agent_started` to the end."""

    def __init__(self, run: Run, agent: Agent) -> None:
        self._run = run
        self._agent = agent
        self._stop: Stop | None = None
        self._stopped = asyncio.Event()
        self._over = False
        self._steps = 0
        self._usage: Usage | None = None
        self._members: list[str] = []
        self._members_at = 0.0

    def stop(self, why: Stop) -> None:
        """Cut the attempt short. The first reason counts."""
        self._stop = self._stop or why
        self._stopped.set()

    async def supervise(self) -> None:
        """Make the attempt and end the run, unless another worker has it or gets it."""
        conf = chat_settings()
        key = RunKey(self._run.pk, self._run.thread_id, self._run.fence)
        counters.runs_started.inc()
        try:
            async with RunPublisher(
                key, self._audience, conf.delta_milliseconds / 1000
            ) as publisher:
                ending = await self._attempt(publisher)
                await publisher.settled()
        except Fenced:
            logger.info("run %s went to another worker", self._run.pk)
            return
        if ending is not None:
            await finish(self._run, ending)
        elif self._stop is Stop.HANDED_OVER:
            await in_database(runs.hand_over, self._run)

    async def _attempt(self, publisher: RunPublisher) -> runs.Ending | None:
        toolbox = Toolbox(self._run, publisher, installed_tools())
        await publisher.publish(self._started(), TextChange.SET)
        driving = asyncio.create_task(self._drive(publisher, toolbox), name=f"run {self._run.pk}")
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            seconds = (self._deadline() - timezone.now()).total_seconds()
            done, _ = await asyncio.wait(
                {driving, stopped}, timeout=max(seconds, 0), return_when="FIRST_COMPLETED"
            )
        finally:
            stopped.cancel()
            raised = await _cut(driving)
            self._over = True
        if self._stop in (Stop.HANDED_OVER, Stop.TAKEN):
            return None
        await toolbox.interrupt_open()
        outcome, why = self._outcome(raised, late=not done)
        return runs.Ending(outcome, publisher.text, why, tuple(toolbox.used), self._usage)

    def _outcome(
        self, raised: BaseException | None, *, late: bool
    ) -> tuple[Outcome, runs.Failure | None]:
        if self._stop is Stop.CANCELLED:
            return Outcome.CANCELLED, None
        if late:
            why = failure(self._run, "run_timeout", "The agent took too long.", raised)
            return Outcome.TIMEOUT, why
        if isinstance(raised, Fenced):
            raise raised
        if raised is not None:
            return Outcome.FAILED, _explained(raised, self._run)
        return Outcome.SUCCESS, None

    async def _drive(self, publisher: RunPublisher, toolbox: Toolbox) -> None:
        await publisher.settled()  # no tool is journaled before the members know of the attempt
        history = await in_database(_history, self._run)
        ctx = RunContext(
            run_id=self._run.pk,
            thread_id=self._run.thread_id,
            user=Person(str(self._run.user_id), self._run.user.get_username()),
            attempt=self._run.attempt,
            history=history,
            tools=toolbox,
            deadline=self._deadline(),
            question=self._run.question.content,
        )
        events = self._agent.run(ctx)
        try:
            async for event in events:
                await self._take(event, publisher, toolbox)
                if isinstance(event, Final):
                    return
        finally:
            await _close(events)

    async def _take(self, event: AgentEvent, publisher: RunPublisher, toolbox: Toolbox) -> None:
        if self._over:
            raise RunOver
        match event:
            case Delta(text):
                await publisher.write(text)
            case Thinking(text):
                await self._think(text, publisher)
            case ToolCall(call_id, name, arguments):
                await toolbox.begin(call_id, name, arguments)
            case ToolResult():
                await toolbox.complete(event)
            case Final(content, usage):
                self._usage = usage
                whole = storable(content or "")
                if whole.startswith(publisher.text):
                    await publisher.write(whole[len(publisher.text) :])

    async def _think(self, text: str, publisher: RunPublisher) -> None:
        if chat_settings().thinking:
            self._steps += 1
            shown = storable(text[:DELTA_CHARACTERS])
            await publisher.publish(AgentThinking(text=shown, step=self._steps))

    def _started(self) -> AgentStarted:
        return AgentStarted(
            agent=self._run.agent,
            attempt=self._run.attempt,
            message_id=str(self._run.answer_message_id),
            question_id=str(self._run.question_id),
        )

    def _deadline(self) -> datetime:
        if self._run.deadline is None:
            raise ValueError(f"run {self._run.pk} was not claimed")
        return self._run.deadline

    async def _audience(self) -> list[str]:
        """Who sees the run: read anew once a second, not for each delta."""
        now = asyncio.get_running_loop().time()
        if not self._members or now - self._members_at > chat_settings().audience_seconds:
            self._members = await in_database(member_ids, self._run.thread_id)
            self._members_at = now
        return self._members


async def _cut(driving: asyncio.Task[None]) -> BaseException | None:
    """Cancel the agent where it still works, wait a little, and return what it raised.

    One that swallows its cancellation is left behind, and is not heard again.
    """
    if not driving.done():
        driving.cancel()
        await asyncio.wait({driving}, timeout=GRACE_SECONDS)
    if not driving.done():
        logger.error("%s does not stop", driving.get_name())
        driving.add_done_callback(_forget)
        return None
    if driving.cancelled():
        return asyncio.CancelledError("the agent was cancelled, or cancelled itself")
    return driving.exception()


def _forget(driving: "asyncio.Task[None]") -> None:
    """What one that was left behind raises at last is of no interest, but must be looked at."""
    if not driving.cancelled():
        driving.exception()


async def _close(events: AsyncIterator[AgentEvent]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _explained(error: BaseException, run: Run) -> runs.Failure:
    if isinstance(error, AgentError) and error.code:
        return failure(run, error.code, error.text, error)
    return failure(run, "agent_failed", "The agent failed.", error)


def _history(run: Run) -> tuple[Spoken, ...]:
    """The thread up to the run's own question."""
    said = ThreadMessage.objects.filter(
        thread_id=run.thread_id, position__lte=run.question.position
    ).order_by("position")
    return tuple(Spoken(message.role, message.author_name, message.content) for message in said)
