"""The life of a run in the database: plain functions on the ORM, every transition a compare-and-set.

`queued → running → completed(outcome)`. A run that nothing is ahead of is `running` from its acceptance;
a worker's claim then sets lease, fence and attempt. The end of a run and the admission of the next one of
its thread are one transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from chatrouting.agents.contract import Usage
from chatrouting.agents.models import ACTIVE, Outcome, Run, RunStatus, ToolCall
from chatrouting.conf import chat_settings
from chatrouting.threads.models import Thread, ThreadMessage
from chatrouting.threads.rules import Answer, add_answer
from routing_core.errors import Busy, NotFound


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, in words for its user. `trace_id` finds the rest in the log."""

    code: str
    text: str
    trace_id: str = ""


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
    """A run that has just ended, the one of its thread that was admitted, and those that moved up.

    `moved` pairs each waiting run with its new position, 1 being next.
    """

    run: Run
    admitted: Run | None
    moved: tuple[tuple[int, Run], ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run held by a worker. `recovered`: another worker held it and let its lease run out."""

    run: Run
    recovered: bool


def accept(user_id: str, question: ThreadMessage, agent: str) -> Run:
    """A run of this user for this question: running where the thread is free, else queued behind the others.

    Call it in the transaction that added the question, which holds the thread's row. Raises `Busy`
    where the thread's queue is full.
    """
    of_thread = Run.objects.filter(thread_id=question.thread_id)
    free = not of_thread.exclude(status=RunStatus.COMPLETED).exists()
    if not free and _queued(question.thread_id).count() >= chat_settings().queue_per_thread:
        raise Busy("The queue of this thread is full.", retry_after_ms=5_000)
    return Run.objects.create(
        thread_id=question.thread_id,
        user_id=user_id,
        agent=agent,
        question=question,
        status=RunStatus.RUNNING if free else RunStatus.QUEUED,
        admitted_at=timezone.now() if free else None,
    )


def run_of(user_id: str, run_id: UUID) -> Run:
    """The run, where this user is a member of its thread. Raises `NotFound`."""
    run = Run.objects.filter(pk=run_id, thread__members__user_id=user_id).first()
    if run is None:
        raise NotFound("There is no such run.")
    return run


def queue_position(run: Run) -> int:
    """How many runs of its thread come first, and itself: 1 is next, 0 that it waits no more."""
    return _queued(run.thread_id).filter(question__position__lte=run.question.position).count()


def claim(run_id: UUID, worker: str) -> Claimed | None:
    """Take the run for this worker; None where it is ended, queued, or held by a live one."""
    now, conf = timezone.now(), chat_settings()
    run = Run.objects.filter(pk=run_id, status=RunStatus.RUNNING).first()
    if run is None or (run.lease_until is not None and run.lease_until > now):
        return None
    taken = Run.objects.filter(pk=run_id, status=RunStatus.RUNNING, fence=run.fence).update(
        fence=F("fence") + 1,
        attempt=F("attempt") + 1,
        worker=worker,
        lease_until=now + timedelta(seconds=conf.lease_seconds),
        started_at=Coalesce("started_at", now),
        deadline=Coalesce("deadline", now + timedelta(seconds=conf.run_seconds)),
    )
    if not taken:
        return None
    recovered = run.attempt > 0
    return Claimed(Run.objects.select_related("question", "user").get(pk=run_id), recovered)


def renew_leases(worker: str) -> dict[UUID, bool]:
    """Hold on to this worker's runs. Returns those it still holds, and whether each is to be stopped."""
    held = Run.objects.filter(worker=worker, status=RunStatus.RUNNING)
    seconds = chat_settings().lease_seconds
    held.update(lease_until=timezone.now() + timedelta(seconds=seconds))
    return {
        run_id: asked is not None for run_id, asked in held.values_list("id", "cancel_requested_at")
    }


def give_back_attempt(run: Run) -> None:
    """Note that this claim begins no attempt: it only ends what another worker left."""
    held = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, fence=run.fence)
    held.update(attempt=F("attempt") - 1)


def hand_over(run: Run) -> bool:
    """Let go of a run so that another worker may take it at once."""
    held = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, fence=run.fence)
    return bool(held.update(worker="", lease_until=timezone.now()))


def request_stop(run: Run) -> bool:
    """Note that the run is to be stopped. False where it has ended already."""
    unfinished = Run.objects.filter(pk=run.pk).exclude(status=RunStatus.COMPLETED)
    return bool(
        unfinished.update(cancel_requested_at=Coalesce("cancel_requested_at", timezone.now()))
    )


@transaction.atomic
def end(run: Run, ending: Ending) -> Ended | None:
    """End the run as it stands in `run`, keep its answer, admit the next of its thread.

    None where the run has moved on since, or had ended already: another worker or an earlier end was first.
    """
    if run.status == RunStatus.COMPLETED:
        return None
    now = timezone.now()
    Thread.objects.select_for_update().filter(pk=run.thread_id).first()
    moved = Run.objects.filter(pk=run.pk, status=run.status, fence=run.fence).update(
        status=RunStatus.COMPLETED,
        fence=F("fence") + 1,
        finished_at=now,
        lease_until=None,
        attempt=run.attempt if ending.attempt is None else ending.attempt,
        **_ending_fields(ending),
    )
    if not moved:
        return None
    answer = add_answer(run.question, Answer(run.answer_message_id, run.agent, ending.content), now)
    Run.objects.filter(pk=run.pk).update(answer=answer)
    run.tool_calls.filter(status=ToolCall.Status.STARTED).update(status=ToolCall.Status.INTERRUPTED)
    admitted = None if run.status == RunStatus.QUEUED else admit_next(run.thread_id)
    return Ended(Run.objects.get(pk=run.pk), admitted, _behind(run))


def admit_next(thread_id: UUID) -> Run | None:
    """Let the thread's next run begin, where none is active. Call it in a transaction."""
    if Run.objects.filter(thread_id=thread_id, status__in=ACTIVE).exists():
        return None
    run = _queued(thread_id).select_related("question").first()
    if run is not None:
        run.status, run.admitted_at = RunStatus.RUNNING, timezone.now()
        run.save(update_fields=["status", "admitted_at"])
    return run


def unclaimed(now: datetime, limit: int) -> list[UUID]:
    """Running runs that nobody holds: their lease ran out, or no worker came for 3 s."""
    late = now - timedelta(seconds=3)
    found = Run.objects.filter(status=RunStatus.RUNNING).filter(
        Q(lease_until__lt=now) | Q(lease_until=None, admitted_at__lt=late)
    )
    return list(found.order_by("created_at").values_list("id", flat=True)[:limit])


def unpublished(now: datetime, limit: int) -> list[Run]:
    """Ended runs whose end a crash may have kept from their members' streams."""
    late = now - timedelta(seconds=3)
    found = Run.objects.filter(
        status=RunStatus.COMPLETED, end_published_at=None, finished_at__lt=late
    )
    return list(found.select_related("answer").order_by("finished_at")[:limit])


def mark_published(run_id: UUID) -> None:
    """The end of this run stands in its members' streams."""
    Run.objects.filter(pk=run_id).update(end_published_at=timezone.now())


def _behind(run: Run) -> tuple[tuple[int, Run], ...]:
    queued = enumerate(_queued(run.thread_id).select_related("question"), start=1)
    own = run.question.position
    return tuple((place, other) for place, other in queued if other.question.position > own)


def _queued(thread_id: UUID) -> QuerySet[Run]:
    return Run.objects.filter(thread_id=thread_id, status=RunStatus.QUEUED).order_by(
        "question__position"
    )


def _ending_fields(ending: Ending) -> dict[str, object]:
    failure = ending.failure
    return {
        "outcome": ending.outcome,
        "tools_used": list(ending.tools_used),
        "error_code": failure.code[:64] if failure else "",
        "error_text": failure.text[:500] if failure else "",
        "trace_id": failure.trace_id if failure else "",
        "input_tokens": ending.usage.input_tokens if ending.usage else None,
        "output_tokens": ending.usage.output_tokens if ending.usage else None,
    }
