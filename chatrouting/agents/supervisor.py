"""One attempt of a run: drives the agent and holds the protocol's rules for it."""

import asyncio
import logging
import uuid
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
from chatrouting.agents.ending import finish
from chatrouting.agents.messages import AgentStarted, AgentThinking
from chatrouting.agents.models import Outcome, Run
from chatrouting.agents.publisher import DELTA_CHARACTERS, RunKey, RunPublisher
from chatrouting.agents.toolbox import Toolbox
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
            await asyncio.wait(
                {driving, stopped}, timeout=max(seconds, 0), return_when="FIRST_COMPLETED"
            )
        finally:
            stopped.cancel()
            failure = await _cut(driving)
        if self._stop in (Stop.HANDED_OVER, Stop.TAKEN):
            return None
        await toolbox.interrupt_open()
        return self._ending(driving, failure, publisher.text, tuple(toolbox.used))

    def _ending(
        self,
        driving: asyncio.Task[None],
        failure: BaseException | None,
        text: str,
        used: tuple[str, ...],
    ) -> runs.Ending:
        outcome, why = Outcome.SUCCESS, None
        if self._stop is Stop.CANCELLED:
            outcome = Outcome.CANCELLED
        elif not driving.done() or driving.cancelled():
            outcome = Outcome.TIMEOUT
            why = runs.Failure("run_timeout", "The agent took too long.", uuid.uuid4().hex)
        elif isinstance(failure, Fenced):
            raise failure
        elif failure is not None:
            outcome, why = Outcome.FAILED, _explained(failure, self._run)
        return runs.Ending(outcome, text, why, used, self._usage)

    async def _drive(self, publisher: RunPublisher, toolbox: Toolbox) -> None:
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
                if content is not None and content.startswith(publisher.text):
                    await publisher.write(content[len(publisher.text) :])

    async def _think(self, text: str, publisher: RunPublisher) -> None:
        if chat_settings().thinking:
            self._steps += 1
            await publisher.publish(AgentThinking(text=text[:DELTA_CHARACTERS], step=self._steps))

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

    One that swallows its cancellation is left behind: the end raises the fence, so it is not heard again.
    """
    if not driving.done():
        driving.cancel()
        await asyncio.wait({driving}, timeout=GRACE_SECONDS)
    if not driving.done():
        logger.error("%s does not stop", driving.get_name())
        return None
    return None if driving.cancelled() else driving.exception()


async def _close(events: AsyncIterator[AgentEvent]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _explained(error: BaseException, run: Run) -> runs.Failure:
    trace_id = uuid.uuid4().hex
    logger.error("run %s failed, trace %s", run.pk, trace_id, exc_info=error)
    if isinstance(error, AgentError):
        return runs.Failure(error.code, error.text, trace_id)
    return runs.Failure("agent_failed", "The agent failed.", trace_id)


def _history(run: Run) -> tuple[Spoken, ...]:
    """The thread up to the run's own question."""
    said = ThreadMessage.objects.filter(
        thread_id=run.thread_id, position__lte=run.question.position
    ).order_by("position")
    return tuple(Spoken(message.role, message.author_name, message.content) for message in said)
