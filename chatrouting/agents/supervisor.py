"""One attempt of a run: drives the agent and holds the protocol's rules for it."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from chatrouting import counters
from chatrouting.agents import approvals, claims, runs
from chatrouting.agents.audience import Audience
from chatrouting.agents.causes import failure
from chatrouting.agents.contract import (
    Agent,
    AgentError,
    AgentEvent,
    CrashPolicy,
    Delta,
    Final,
    RunContext,
    Saved,
    Spoken,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from chatrouting.agents.cutting import LIMITS, Cut, close, cut
from chatrouting.agents.ending import finish, let_begin, publish_late
from chatrouting.agents.history import history_of
from chatrouting.agents.journal import RunOver
from chatrouting.agents.messages import AgentStarted
from chatrouting.agents.models import Run
from chatrouting.agents.publisher import KEPT_CHARACTERS, RunKey, RunPublisher
from chatrouting.agents.queue import enqueue
from chatrouting.agents.resuming import wake
from chatrouting.agents.retries import retry_later
from chatrouting.agents.saving import BEGINNING, Place, place_of, used_by
from chatrouting.agents.statuses import Outcome
from chatrouting.agents.toolbox import Toolbox
from chatrouting.agents.tools import installed_tools
from chatrouting.agents.transcript import Transcript
from chatrouting.conf import chat_settings
from chatrouting.database import in_database, patiently
from chatrouting.stream.log import Fenced, TextChange
from chatrouting.threads.rules import Person

logger = logging.getLogger(__name__)


class Stop(StrEnum):
    """Why an attempt is stopped from outside."""

    CANCELLED = "cancelled"
    HANDED_OVER = "handed_over"
    TAKEN = "taken"


class Supervisor:
    """Runs an agent for a claimed run, from `agent_started` to the end, or until it waits for a person.

    `resumed`: it has waited, and goes on in the same attempt. `members`: who is in its thread, where that
    has just been read. `untold`: runs of its thread whose ends are to be told before anything of this one.
    """

    def __init__(
        self,
        run: Run,
        agent: Agent,
        *,
        resumed: bool = False,
        members: Sequence[str] = (),
        untold: Sequence[Run] = (),
    ) -> None:
        self._run = run
        self._agent = agent
        self._resumed = resumed
        self._untold = untold
        self._goes_on = resumed or (run.attempt > 1 and agent.on_crash is CrashPolicy.CONTINUE)
        self._stop: Stop | None = None
        self._stopped = asyncio.Event()
        self._over = False
        self._waits = False
        self._heard_at = time.monotonic()
        self._audience = Audience(run.thread_id, members)
        self._toolbox: Toolbox | None = None

    @property
    def may_move(self) -> bool:
        """Whether another worker can go on with the run: no call is under way, and its agent may begin again."""
        used = self._toolbox.used if self._toolbox else []
        policy = self._agent.on_crash
        may = policy is CrashPolicy.CONTINUE or (policy is CrashPolicy.RESTART and not used)
        return may and (self._toolbox is None or self._toolbox.idle)

    def stop(self, why: Stop) -> None:
        """Cut the attempt short. The first reason counts."""
        self._stop = self._stop or why
        self._stopped.set()

    async def supervise(self) -> None:
        """Make the attempt and end the run, unless another worker has it or gets it, or it waits."""
        run = self._run
        key = RunKey(run.pk, run.thread_id, run.fence, run.attempt)
        seconds = chat_settings().delta_milliseconds / 1000
        counters.runs_started.inc()
        place = await self._place()
        told = place.text + place.repeated_text if self._resumed else ""
        try:
            members, first = self._audience.members, self._tell_before
            async with RunPublisher(key, members, seconds, told, first) as publisher:
                ending = await self._attempt(publisher, place)
                await publisher.settled()
        except (Fenced, RunOver):
            logger.info("run %s went to another worker", self._run.pk)
            return
        if ending is not None:
            await self._conclude(ending)
        elif self._waits:
            await wake(self._run.pk)
        elif self._stop is Stop.HANDED_OVER and await in_database(claims.hand_over, self._run):
            enqueue(self._run)

    async def _tell_before(self) -> None:
        for run in self._untold:
            await publish_late(run)

    async def _conclude(self, ending: runs.Ending) -> None:
        """The run has ended; or rests, where it failed in a way that may pass."""
        passing = ending.failure is not None and ending.failure.retryable
        if not (passing and await retry_later(self._run, self._agent.on_crash, ending.usage)):
            await finish(self._run, ending)

    async def _place(self) -> Place:
        if not self._goes_on:
            return BEGINNING
        return await patiently(place_of, self._run, resumed=self._resumed)

    async def _attempt(self, publisher: RunPublisher, place: Place) -> runs.Ending | None:
        toolbox = self._toolbox = Toolbox(self._run, publisher, installed_tools(), place.calls)
        transcript = Transcript(self._run, publisher, place)
        if not self._resumed:
            await publisher.publish(self._started(), TextChange.SET)
            await publisher.write(place.text, most=KEPT_CHARACTERS)
        why, raised = await self._driven(transcript, toolbox, place)
        if why is Cut.WAITS and self._stop in (None, Stop.HANDED_OVER):
            self._waits = await self._wait(publisher, transcript, toolbox)
            if self._waits:
                return None
        if self._stop in (Stop.HANDED_OVER, Stop.TAKEN):
            return None
        await toolbox.interrupt_open()
        outcome, failed = self._outcome(raised, why)
        used = tuple(toolbox.used)
        return runs.Ending(outcome, publisher.text, failed, used, transcript.usage)

    async def _driven(
        self, transcript: Transcript, toolbox: Toolbox, place: Place
    ) -> tuple[Cut | None, BaseException | None]:
        """Let the agent work until it is done or cut; why it was cut, and what it raised."""
        name = f"run {self._run.pk}"
        driving = asyncio.create_task(self._drive(transcript, toolbox, place), name=name)
        stopped = asyncio.create_task(self._stopped.wait())
        suspended = asyncio.create_task(toolbox.suspended.wait())
        why: Cut | None = None
        try:
            while not (driving.done() or stopped.done() or why):
                await asyncio.wait(
                    {driving, stopped, suspended},
                    timeout=max(min(self._seconds_left(toolbox)), 0),
                    return_when="FIRST_COMPLETED",
                )
                if not driving.done():
                    why = self._reached(toolbox)
        finally:
            stopped.cancel()
            suspended.cancel()
            raised = await cut(driving)
            self._over = True
        return why, raised

    async def _wait(
        self, publisher: RunPublisher, transcript: Transcript, toolbox: Toolbox
    ) -> bool:
        """Let go of the run until a person has decided. False where it was stopped; raises `RunOver`."""
        await toolbox.interrupt_open(but_waiting=True)
        await publisher.settled()
        shown = approvals.Shown(
            publisher.text, transcript.thoughts, tuple(toolbox.used), transcript.usage
        )
        admitted = await patiently(approvals.begin_waiting, self._run, shown)
        if admitted is None:
            self._stop = Stop.TAKEN if self._stop is Stop.TAKEN else Stop.CANCELLED
            return False
        await let_begin(admitted)
        return True

    def _outcome(
        self, raised: BaseException | None, why: Cut | None
    ) -> tuple[Outcome, runs.Failure | None]:
        if self._stop is Stop.CANCELLED:
            return Outcome.CANCELLED, None
        if why in LIMITS:
            outcome, code, text = LIMITS[why]
            return outcome, failure(self._run, code, text, raised)
        if isinstance(raised, Fenced | RunOver):
            raise raised
        if raised is not None:
            return Outcome.FAILED, _explained(raised, self._run)
        return Outcome.SUCCESS, None

    async def _drive(self, transcript: Transcript, toolbox: Toolbox, place: Place) -> None:
        await transcript.settled()  # no tool is journaled before the members know of the attempt
        if self._goes_on:
            await toolbox.take_up(told=self._resumed)
        events = self._agent.run(self._context(toolbox, place, await history_of(self._run)))
        try:
            async for event in events:
                if self._over:
                    raise RunOver
                self._heard_at = time.monotonic()
                await _take(event, transcript, toolbox)
                if isinstance(event, Final):
                    return
        finally:
            await close(events)

    def _context(self, toolbox: Toolbox, place: Place, history: tuple[Spoken, ...]) -> RunContext:
        run = self._run
        return RunContext(
            run_id=run.pk,
            thread_id=run.thread_id,
            user=Person(str(run.user_id), run.username),
            attempt=run.attempt,
            history=history,
            tools=toolbox,
            deadline=self._deadline(),
            question=run.question.content,
            saved=place.state,
            text=place.text,
            usage=used_by(run),
        )

    def _seconds_left(self, toolbox: Toolbox) -> tuple[float, float]:
        """Until the deadline, and until the agent has been silent for too long."""
        whole = (self._deadline() - timezone.now()).total_seconds()
        now = time.monotonic()
        moved_at = now if toolbox.busy else max(self._heard_at, toolbox.moved_at)
        return whole, moved_at + chat_settings().progress_seconds - now

    def _reached(self, toolbox: Toolbox) -> Cut | None:
        if toolbox.suspended.is_set():
            return Cut.WAITS
        whole, quiet = self._seconds_left(toolbox)
        if whole <= 0:
            return Cut.LATE
        return Cut.SILENT if quiet <= 0 else None

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


async def _take(event: AgentEvent, transcript: Transcript, toolbox: Toolbox) -> None:
    match event:
        case Delta(text):
            await transcript.write(text)
        case Thinking(text):
            await transcript.think(text)
        case ToolCall(call_id, name, arguments):
            await toolbox.begin(call_id, name, arguments)
        case ToolResult():
            await toolbox.complete(event)
        case Usage():
            transcript.count(event)
        case Saved(state):
            await transcript.save(state, toolbox.numbered)
        case Final():
            await transcript.end(event)


def _explained(error: BaseException, run: Run) -> runs.Failure:
    if isinstance(error, AgentError) and error.code:
        return failure(run, error.code, error.text, error, retryable=error.retryable)
    return failure(run, "agent_failed", "The agent failed.", error)
