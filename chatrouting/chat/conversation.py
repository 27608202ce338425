"""Handlers: saying something, and stopping the answer."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from msgspec import UNSET
from redis.exceptions import RedisError

from chatrouting.agents import admission, ending, runs
from chatrouting.agents.catalogue import agent_names
from chatrouting.agents.interruption import Interruption, interrupt, moved_by
from chatrouting.agents.models import Run
from chatrouting.agents.queue import enqueue
from chatrouting.agents.statuses import Priority, RunStatus
from chatrouting.agents.stopping import stop
from chatrouting.chat.context import Context
from chatrouting.chat.messages import (
    MessageAccepted,
    RunStopping,
    StartAgent,
    StopAgent,
    UserMessage,
)
from chatrouting.chat.outbox import announce, announced
from chatrouting.chat.receipts import Done, once, once_among_others
from chatrouting.chat.titles import tell_title
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.rows import Keep, Rows, insert
from chatrouting.stream.loops import PerLoop
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import (
    add_question,
    begin_thread,
    member_ids,
    name_after,
    thread_of,
)
from chatrouting.writes import Writes
from routing_core.errors import Busy, InvalidPayload

logger = logging.getLogger(__name__)

_writes = PerLoop(Writes)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in its thread. `named`: the thread, which its `members` know, has its title from this."""

    question: ThreadMessage
    members: Sequence[str]
    named: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """What is to be done once the transaction holds. `interruption`: what came of it, where it came first."""

    asked: _Asked
    run: Run
    interruption: Interruption | None = None

    @property
    def begin(self) -> Sequence[Run]:
        """The runs that may begin."""
        if self.interruption is not None:
            return self.interruption.admitted
        return [self.run] if self.run.status == RunStatus.RUNNING else []


async def user_message(ctx: Context, message: UserMessage) -> MessageAccepted:
    """Store what was said with a run to answer it, tell the members, wake a worker."""
    return await _take(ctx, message)


async def start_agent(ctx: Context, message: StartAgent) -> MessageAccepted:
    """As `user_message`, by the agent that is named."""
    return await _take(ctx, message)


async def _take(ctx: Context, message: UserMessage | StartAgent) -> MessageAccepted:
    done = await _writes.here.do(partial(_accept, ctx, message), _touched_by(ctx, message))
    if done.work is not None:
        await _tell(done.work)
    return done.reply


def _touched_by(ctx: Context, message: UserMessage | StartAgent) -> frozenset[str]:
    """Whose runs are counted for it; nothing is said of a message that may ask for more where it has to wait."""
    if message.on_busy != "queue":
        return frozenset()
    thread = "" if message.thread_id is UNSET else f"thread {message.thread_id}"
    return frozenset((f"user {ctx.user.id}", thread)) - {""}


def _accept(
    ctx: Context, message: UserMessage | StartAgent, rows: Rows | None = None
) -> Done[MessageAccepted, _Said]:
    if rows is None:
        return once(ctx, message, MessageAccepted, partial(_say, ctx, message, insert))
    work = partial(_say, ctx, message, rows.add)
    return once_among_others(ctx, message, MessageAccepted, work, rows)


def _agent(message: UserMessage | StartAgent) -> str:
    name = chat_settings().default_agent if message.agent is UNSET else message.agent
    if name not in agent_names():
        known = ", ".join(sorted(agent_names()))
        raise InvalidPayload(f"There is no such agent; there are: {known}.", field="payload.agent")
    return name


def _say(
    ctx: Context, message: UserMessage | StartAgent, keep: Keep
) -> tuple[MessageAccepted, _Said]:
    agent, asked = _agent(message), _ask(ctx, message, keep)
    priority = Priority.START if isinstance(message, StartAgent) else Priority.MESSAGE
    run = runs.prepare(ctx.user.id, asked.question, agent, priority, ctx.request.trace_id)
    keep(run)
    interruption = None
    if run.status == RunStatus.QUEUED and message.on_busy == "reject":
        raise _busy(run)
    if run.status == RunStatus.QUEUED and message.on_busy == "interrupt":
        interruption = interrupt(run)
    reply = MessageAccepted(
        thread_id=str(asked.question.thread_id),
        message_id=str(asked.question.pk),
        run_id=str(run.pk),
        status="queued" if run.status == RunStatus.QUEUED else "running",
        duplicate=False,
    )
    return reply, _Said(asked, run, interruption)


def _busy(run: Run) -> Busy:
    """Why it is not to wait."""
    mine = admission.waits_for_its_user(run)
    return Busy("Too many of your runs are at work." if mine else "", retry_after_ms=1_000)


def _ask(ctx: Context, message: UserMessage | StartAgent, keep: Keep) -> _Asked:
    content, client_id = message.content, ctx.request.id or ""
    if message.thread_id is UNSET:
        return _Asked(begin_thread(ctx.user, content, client_id, keep), [ctx.user.id])
    thread = thread_of(ctx.user.id, message.thread_id)
    question = add_question(thread, ctx.user, content, client_id, keep)
    return _Asked(question, member_ids(thread.pk), name_after(question.thread, content))


async def _tell(said: _Said) -> None:
    """What is committed is accepted: a Valkey that is away takes nothing back."""
    logger.info("trace %s: run %s is accepted", said.run.trace_id, said.run.pk)
    question = said.asked.question
    try:
        if not await announce(question, said.asked.members):
            announced(question)
        if said.asked.named:
            await tell_title(question.thread_id)
        await _tell_places(said)
    except RedisError as error:
        logger.warning("message %s is announced later: %s", question.pk, error)
    if said.interruption is not None and said.interruption.stops is not None:
        await stop(said.interruption.stops)
    for run in said.begin:
        enqueue(run)


async def _tell_places(said: _Said) -> None:
    """Its own, where its turn has not come in the meantime; and of those it came before."""
    if said.interruption is not None:
        moved = await in_database(moved_by, said.run, said.interruption)
    elif said.run.status == RunStatus.QUEUED:
        moved = await in_database(admission.moved_by, said.run)
    else:
        return
    await ending.tell_positions(moved)


async def stop_agent(ctx: Context, message: StopAgent) -> RunStopping:
    """Stop a run of a thread one is a member of."""
    run = await in_database(runs.run_of, ctx.user.id, message.run_id)
    if await stop(run):
        return RunStopping(run_id=str(run.pk), status=RunStatus.COMPLETED)
    run = await in_database(runs.run_of, ctx.user.id, message.run_id)
    return RunStopping(run_id=str(run.pk), status=run.status)
