"""Stopping runs, for whoever may: at once where nobody is at work on it, else by its worker."""

from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from redis.exceptions import RedisError

from chatrouting.agents import approvals, claims, ending, runs
from chatrouting.agents.models import Run
from chatrouting.agents.recovery import close_calls, text_so_far, tools_used
from chatrouting.agents.retries import STOPPED_AT_REST
from chatrouting.agents.saving import text_told, used_by
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.database import in_database
from chatrouting.stream.doorbell import ring_stop, ring_stop_now

AT_ONCE = 100


async def stop(run: Run) -> bool:
    """Stop a run. True where it has ended by this, else its worker has been asked to end it."""
    if await end_unheld(run):
        return True
    noted = await in_database(runs.request_stop, run)
    if noted is None:
        return False
    # It may have begun to wait since it was read, or its worker may have died.
    if await end_unheld(noted) or await end_abandoned(run.pk):
        return True
    await ring_stop(str(run.pk))
    return False


async def end_abandoned(run_id: UUID) -> bool:
    """End a run that had begun and that no worker holds any more, as a worker would that took it up.

    False where one holds it. It is taken first, so that no worker goes on with it meanwhile.
    """
    taken = await in_database(claims.claim, run_id, "")
    if taken is None:
        return False
    if not taken.resumed:
        await in_database(claims.give_back_attempt, taken.run)
    attempt = taken.run.attempt - (0 if taken.resumed else 1)
    return await end_lost(taken.run, Outcome.CANCELLED, attempt=attempt)


async def end_unheeded() -> None:
    """End what is to be stopped and no worker holds any more, also where no worker is left to see to it."""
    for run_id in await in_database(_unheeded):
        await end_abandoned(run_id)


def _unheeded() -> list[UUID]:
    stopped = Run.objects.filter(status=RunStatus.RUNNING, cancel_requested_at__isnull=False)
    left = stopped.filter(Q(lease_until__lt=timezone.now()) | STOPPED_AT_REST)
    return list(left.values_list("id", flat=True)[:AT_ONCE])


async def end_lost(
    run: Run, outcome: Outcome, why: runs.Failure | None = None, *, attempt: int
) -> bool:
    """End a run that was left behind: the text so far is kept, open calls are ended, the members are told.

    False where it has moved on.
    """
    if not await in_database(approvals.close_early, run):
        return False
    await close_calls(run)
    try:
        text = await text_so_far(run)
    except RedisError:
        text = ""  # the end is told when Valkey is back, and gets it then
    used = await in_database(tools_used, run)
    return await ending.finish(run, runs.Ending(outcome, text, why, used, attempt=attempt))


async def end_unheld(run: Run) -> bool:
    """End a run that no worker holds, as it stands in `run`: one that has not begun, or waits for a person.

    False where that is not so, or not any more.
    """
    left = await in_database(unheld_end, run)
    return left is not None and await ending.finish(run, left)


def unheld_end(run: Run) -> runs.Ending | None:
    """How a run ends that is stopped while no worker holds it; None where one does."""
    if run.status == RunStatus.WAITING:
        used = tuple(run.tools_used)
        return runs.Ending(Outcome.CANCELLED, text_told(run), None, used, used_by(run))
    return runs.Ending(Outcome.CANCELLED) if run.attempt == 0 else None


async def stop_all(thread_id: UUID) -> None:
    """Stop every run of a thread."""
    for run in await in_database(runs.unfinished, thread_id):
        await stop(run)


def stop_now(run: Run) -> RunStatus:
    """Stop a run for a caller without an event loop, and return where it stands now.

    One that no worker holds ends at once, and a worker tells of it.
    """
    if _end_unheld_now(run) or _note_now(run):
        ring_stop_now(str(run.pk))
    return RunStatus(Run.objects.values_list("status", flat=True).get(pk=run.pk))


def _note_now(run: Run) -> bool:
    """Whether there was something to stop; what has begun to wait since it was read ends as well."""
    noted = runs.request_stop(run)
    if noted is not None:
        _end_unheld_now(noted)
    return noted is not None


def _end_unheld_now(run: Run) -> bool:
    left = unheld_end(run)
    return left is not None and runs.end(run, left) is not None
