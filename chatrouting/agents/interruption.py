"""A run that comes before all that wait in its thread, and what gives way to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models.functions import Coalesce
from django.utils import timezone

from chatrouting.agents.admission import UserId, admit, alone_with, come_first, positions
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import ACTIVE


@dataclass(frozen=True, slots=True)
class Interruption:
    """What is to be done for it after the commit.

    `stops`: the run at work, which is to be stopped; None where none is. Then some were `admitted`, itself
    among them, where its user's limit allows it; and `lines` names the users in whose lines others have
    another position now.
    """

    stops: Run | None = None
    admitted: Sequence[Run] = ()
    lines: Sequence[UserId] = ()


def interrupt(run: Run) -> Interruption:
    """Let this queued run be the next of its thread, and note that the one at work is to be stopped.

    Where none is at work it begins, unless it has to wait for its user's limit. Call it in the transaction that
    accepted it, which holds the thread's row.
    """
    overtaken = come_first(run)
    stopped = _stop_the_active(run.thread_id)
    if stopped is not None:
        return Interruption(stopped)
    lines = alone_with(each.user_id for each in (run, overtaken) if each and each.user_id)
    # Until then the one that was to begin may have been admitted, by the end of a run of its user's elsewhere.
    stopped = _stop_the_active(run.thread_id)
    if stopped is not None:
        return Interruption(stopped)
    admitted = admit(lines)
    if run in admitted:
        run.refresh_from_db(fields=["status", "admitted_at"])
    return Interruption(None, admitted, lines)


def moved_by(run: Run, by: Interruption) -> tuple[tuple[int, Run], ...]:
    """Runs whose position is another since this one interrupted, and itself where it waits, each with its own."""
    return positions([run.thread_id], by.lines)


def _stop_the_active(thread_id: UUID) -> Run | None:
    active = Run.objects.filter(thread_id=thread_id, status__in=ACTIVE)
    active.update(cancel_requested_at=Coalesce("cancel_requested_at", timezone.now()))
    return active.select_related("question").first()
