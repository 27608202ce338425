"""The life of a run in the database: plain functions on the ORM, every transition a compare-and-set.

`queued → running → (waiting ↔ running) → completed(outcome)`. A run that nothing is ahead of is `running`
from its acceptance; a worker's claim then sets lease, fence and attempt. The end of a run and the admission
of what it kept waiting are one transaction.
"""

from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from chatrouting.agents import approvals, journal, saving
from chatrouting.agents.admission import (
    admit,
    alone_after,
    moved_after,
    place_for,
    positions_near,
    something_waits,
)
from chatrouting.agents.contract import Usage
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.retries import STOPPED_AT_REST
from chatrouting.agents.statuses import Outcome, Priority, RunStatus
from chatrouting.rows import insert
from chatrouting.threads.models import ThreadMessage
from chatrouting.threads.rules import Answer, add_answer, answered_in, seen_by
from chatrouting.writes import update_in_order
from routing_core.errors import NotFound

DEAD = (Outcome.FAILED, Outcome.TIMEOUT, Outcome.LOST)  # what an operator may want tried again


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, in words for its user. `trace_id` finds the rest in the log; `retryable`: it may pass."""

    code: str
    text: str
    trace_id: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended and what it left. `attempt`: the last that began, where it is not the run's own."""

    outcome: Outcome
    content: str = ""
    failure: Failure | None = None
    tools_used: tuple[str, ...] = ()
    usage: Usage | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has just ended, those that were admitted in its place, and those that moved up.

    `moved` pairs each waiting run with its new position, 1 being next. In a thread that is deleted
    none is admitted or moved. `called`: whether the run has called any tool.
    """

    run: Run
    admitted: tuple[Run, ...]
    moved: tuple[tuple[int, Run], ...]
    thread_deleted: bool = False
    called: bool = False


def accept(
    user_id: str,
    question: ThreadMessage,
    agent: str,
    priority: Priority = Priority.MESSAGE,
    trace_id: str = "",
) -> Run:
    """A run of this user for this question: running where nothing keeps it from beginning, else queued.

    Call it in the transaction that added the question, which holds the thread's row. Raises `Busy`
    where the thread's queue or the user's line is full.
    """
    run = prepare(user_id, question, agent, priority, trace_id)
    insert(run)
    return run


def prepare(
    user_id: str, question: ThreadMessage, agent: str, priority: Priority, trace_id: str
) -> Run:
    """As `accept`; the caller keeps it."""
    status = place_for(user_id, question)
    return Run(
        thread_id=question.thread_id,
        user_id=user_id,
        agent=agent,
        priority=priority,
        trace_id=trace_id,
        question=question,
        turn=question.position,
        status=status,
        admitted_at=timezone.now() if status == RunStatus.RUNNING else None,
    )


def run_of(user_id: str, run_id: UUID) -> Run:
    """The run, where this user is a member of its thread. Raises `NotFound`."""
    run = Run.objects.filter(seen_by(user_id, "thread__"), pk=run_id).first()
    if run is None:
        raise NotFound("There is no such run.")
    return run


def request_stop(run: Run) -> Run | None:
    """Note that the run is to be stopped: from then on it does not begin to wait.

    The run as it stands then; None where it has ended already.
    """
    unfinished = Run.objects.filter(pk=run.pk).exclude(status=RunStatus.COMPLETED)
    unfinished.update(cancel_requested_at=Coalesce("cancel_requested_at", timezone.now()))
    return unfinished.select_related("question").first()


def request_stops(thread_id: UUID) -> None:
    """Note that every unfinished run of the thread is to be stopped."""
    unfinished = Run.objects.filter(thread_id=thread_id).exclude(status=RunStatus.COMPLETED)
    unfinished.update(cancel_requested_at=Coalesce("cancel_requested_at", timezone.now()))


def unfinished(thread_id: UUID) -> list[Run]:
    """The runs of the thread that have not ended."""
    found = Run.objects.filter(thread_id=thread_id).exclude(status=RunStatus.COMPLETED)
    return list(found.select_related("question").order_by("question__position"))


class _MovedOn(Exception):
    """Nothing of an end is to be kept: the run is another's by now, or has ended."""


def end(run: Run, ending: Ending, locked: Sequence[str | int] | None = None) -> Ended | None:
    """End the run as it stands in `run`, keep its answer, admit what it kept waiting.

    None where the run has moved on since, or had ended already: another worker or an earlier end was first.
    `locked`: whose runs may begin, where the caller holds them and the thread.
    """
    if run.status == RunStatus.COMPLETED:
        return None
    try:
        with transaction.atomic():
            return _end(run, ending, locked)
    except _MovedOn:
        return None


def _end(run: Run, ending: Ending, locked: Sequence[str | int] | None) -> Ended:
    now = timezone.now()
    there = answered_in(run.thread_id, now)
    users = alone_after(run) if locked is None else locked
    ended = _ended(run, ending, now)
    ended.answer = add_answer(
        run.question, Answer(run.answer_message_id, run.agent, ending.content), now
    )
    called = run.tool_calls.exists()
    if called:
        approvals.close(run)
        journal.close(run)
    saving.forget(run)
    if ending.outcome in DEAD:
        DeadLetter.objects.create(
            kind=DeadLetter.Kind.RUN,
            run=run,
            state=DeadLetter.State.DEAD,
            tries=ended.attempt,
            reason=_reason(ending),
        )
    waits = something_waits(run, users)
    admitted = admit(users) if waits else []
    moved = moved_after(run, admitted) if waits else ()
    return Ended(ended, tuple(admitted), moved, thread_deleted=not there, called=called)


def _ended(run: Run, ending: Ending, now: datetime) -> Run:
    """The run as it is from now on, but for its answer, which is to be added. Raises `_MovedOn`."""
    changed: dict[str, object] = {
        "status": RunStatus.COMPLETED,
        "fence": run.fence + 1,
        "finished_at": now,
        "lease_until": None,
        "attempt": run.attempt if ending.attempt is None else ending.attempt,
        "answer_id": run.answer_message_id,
        **_ending_fields(ending),
    }
    held = Run.objects.filter(pk=run.pk, status=run.status, fence=run.fence)
    if not held.update(**changed):
        raise _MovedOn
    ended = copy(run)
    for name, value in changed.items():
        setattr(ended, name, value)
    return ended


def left_behind(now: datetime, limit: int) -> list[Run]:
    """Running runs whose worker has let its lease run out, or that have rested."""
    return _running(Q(lease_until__lt=now), limit)


def unclaimed(now: datetime, limit: int) -> list[Run]:
    """Running runs that no worker came for in 3 s, and those that are to be stopped while they rest."""
    late = now - timedelta(seconds=3)
    return _running(Q(lease_until=None, admitted_at__lt=late) | STOPPED_AT_REST, limit)


def _running(which: Q, limit: int) -> list[Run]:
    found = Run.objects.filter(which, status=RunStatus.RUNNING)
    return list(found.order_by("priority", "admitted_at")[:limit])


def aftermath(run: Run) -> Ended:
    """What `end` returned of a run whose end nobody could tell of, as far as it can be seen later.

    Runs of its thread or its user that may begin and that no worker has had yet, and all that wait near them.
    """
    near = Q(thread_id=run.thread_id) | Q(user_id=run.user_id)
    admitted = tuple(Run.objects.filter(near, status=RunStatus.RUNNING, fence=0))
    return Ended(run, admitted, positions_near([run, *admitted]))


def unpublished(now: datetime, limit: int) -> list[Run]:
    """Ended runs whose end a crash may have kept from their members' streams."""
    late = now - timedelta(seconds=3)
    found = Run.objects.filter(
        status=RunStatus.COMPLETED, end_published_at=None, finished_at__lt=late
    )
    due = found.exclude(pk__in=DeadLetter.held_back(DeadLetter.Kind.END))
    return list(due.select_related("answer").order_by("finished_at")[:limit])


def untold_ends(thread_ids: Collection[UUID]) -> dict[UUID, list[Run]]:
    """Of each of these threads the runs that have ended and whose end is to be told, in order."""
    if not thread_ids:
        return {}
    found = Run.objects.filter(
        thread_id__in=thread_ids, status=RunStatus.COMPLETED, end_published_at=None
    )
    due = found.exclude(pk__in=DeadLetter.given_up(DeadLetter.Kind.END))
    untold: dict[UUID, list[Run]] = {}
    for run in due.select_related("answer").order_by("finished_at"):
        untold.setdefault(run.thread_id, []).append(run)
    return untold


def mark_published(run_ids: Collection[UUID]) -> None:
    """The ends of these runs stand in their members' streams."""
    update_in_order(Run.objects.filter(pk__in=run_ids), end_published_at=timezone.now())


def _reason(ending: Ending) -> str:
    failure = ending.failure
    return f"{failure.code}: {failure.text}"[:500] if failure else str(ending.outcome)


def _ending_fields(ending: Ending) -> dict[str, object]:
    failure = ending.failure
    return {
        "outcome": ending.outcome,
        "tools_used": list(ending.tools_used),
        "error_code": failure.code[:64] if failure else "",
        "error_text": failure.text[:500] if failure else "",
        "retryable": failure is not None and failure.retryable,
        **({"trace_id": failure.trace_id} if failure else {}),
        "input_tokens": ending.usage.input_tokens if ending.usage else None,
        "output_tokens": ending.usage.output_tokens if ending.usage else None,
    }
