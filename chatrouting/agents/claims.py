"""A worker's hold on runs: it claims them, renews its leases, and lets go.

Each looks and writes at one moment: under a lock of the row, or on the condition that nothing has changed.
A run that nothing keeps from beginning is `running` before any worker has it; a claim sets lease, fence and
attempt.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from chatrouting.agents.models import Run
from chatrouting.agents.retries import is_free
from chatrouting.agents.runs import untold_ends
from chatrouting.agents.statuses import RunStatus
from chatrouting.conf import chat_settings
from chatrouting.threads.rules import members_of


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run held by a worker.

    `recovered`: another worker left it: its lease ran out, or it was to rest and is to be stopped. `resumed`:
    it waited for a person, who has decided. `members`: who was in its thread. `untold`: runs of its thread whose
    end is not told yet, which is to come first.
    """

    run: Run
    recovered: bool
    resumed: bool = False
    members: Sequence[str] = ()
    untold: Sequence[Run] = ()


def claim(run_id: UUID, worker: str) -> Claimed | None:
    """Take the run for this worker; None where it is ended, queued, held by a live one, or rests."""
    return claim_all([run_id], worker).get(run_id)


def claim_all(run_ids: Iterable[UUID], worker: str) -> dict[UUID, Claimed]:
    """As `claim`, many in one transaction: those that were taken."""
    taken = _take(set(run_ids), worker, timezone.now())
    members = members_of({run.thread_id for run, _ in taken})
    untold = untold_ends({run.thread_id for run, _ in taken if not run.question.is_first})
    return {
        run.pk: _claimed(run, change, members.get(run.thread_id, []), untold.get(run.thread_id, []))
        for run, change in taken
    }


@transaction.atomic
def _take(run_ids: Collection[UUID], worker: str, now: datetime) -> "list[tuple[Run, _Change]]":
    """Write each claim; the runs as they were before.

    The rows are locked by id between the look and the write. One that somebody else holds at that moment
    is left to them; where they do not take it, the sweep finds it.
    """
    found = Run.objects.filter(pk__in=run_ids, status=RunStatus.RUNNING).order_by("pk")
    locked = found.select_for_update(skip_locked=True, of=("self",), no_key=True)
    looked = locked.select_related("question", "user")
    taken = [(run, _change(run, worker, now)) for run in looked if is_free(run, now)]
    for change in {change for _, change in taken}:  # mostly one: runs that no worker has had yet
        same = [run.pk for run, each in taken if each == change]
        Run.objects.filter(pk__in=same).update(**asdict(change))
    return taken


@dataclass(frozen=True, slots=True)
class _Change:
    """What a claim makes of a run's row."""

    fence: int
    attempt: int
    worker: str
    lease_until: datetime
    started_at: datetime
    deadline: datetime
    waiting_since: None = None
    retry_at: None = None


def _change(run: Run, worker: str, now: datetime) -> _Change:
    return _Change(
        fence=run.fence + 1,
        attempt=run.attempt if run.waiting_since else run.attempt + 1,
        worker=worker,
        lease_until=now + timedelta(seconds=chat_settings().lease_seconds),
        started_at=run.started_at or now,
        deadline=_deadline(run, now),
    )


def _claimed(run: Run, change: _Change, members: Sequence[str], untold: Sequence[Run]) -> Claimed:
    resumed = run.waiting_since is not None
    rested = run.retry_at is not None and run.cancel_requested_at is None
    recovered = run.attempt > 0 and not resumed and not rested
    for name, value in asdict(change).items():
        setattr(run, name, value)
    return Claimed(run, recovered, resumed, members, untold)


def _deadline(run: Run, now: datetime) -> datetime:
    """Until when the run may go on: the time that it waited for a person does not count."""
    if run.deadline is None:
        return now + timedelta(seconds=chat_settings().run_seconds)
    return run.deadline + (now - run.waiting_since if run.waiting_since else timedelta())


@transaction.atomic
def renew_leases(worker: str, run_ids: Collection[UUID]) -> dict[UUID, bool]:
    """Hold on to these runs. Returns those that the worker still holds, and whether each is to be stopped.

    Their rows are locked by id, as by whoever else locks several. One that the worker claimed without
    hearing of it, because the database was late, is not among them: its lease runs out.
    """
    held = Run.objects.filter(pk__in=run_ids, worker=worker, status=RunStatus.RUNNING)
    rows = held.order_by("pk").select_for_update(no_key=True)
    asked = rows.values_list("pk", "cancel_requested_at")
    stops = {run_id: at is not None for run_id, at in asked}
    until = timezone.now() + timedelta(seconds=chat_settings().lease_seconds)
    Run.objects.filter(pk__in=stops).update(lease_until=until)
    return stops


def give_back_attempt(run: Run) -> None:
    """Note that this claim begins no attempt: it only ends what another worker left."""
    held = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, fence=run.fence)
    held.update(attempt=F("attempt") - 1)


def hand_over(run: Run, *, begun: bool = True) -> bool:
    """Let go of a run so that another worker may take it at once. Not `begun`: no attempt was made."""
    held = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, fence=run.fence)
    counted = {"handed_over": F("handed_over") + 1} if begun else {"attempt": F("attempt") - 1}
    return bool(held.update(worker="", lease_until=timezone.now(), **counted))
