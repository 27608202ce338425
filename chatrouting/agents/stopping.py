"""Stopping runs, for whoever may: at once where nobody is at work on it, else by its worker."""

from uuid import UUID

from chatrouting.agents import ending, runs
from chatrouting.agents.models import Outcome, Run, RunStatus
from chatrouting.agents.saving import text_told, used_by
from chatrouting.database import in_database
from chatrouting.stream.doorbell import ring_stop, ring_stop_now


async def stop(run: Run) -> bool:
    """Stop a run. True where it has ended by this, else its worker has been asked to end it."""
    if await end_unheld(run):
        return True
    if await in_database(runs.request_stop, run):
        await ring_stop(str(run.pk))
    return False


async def end_unheld(run: Run) -> bool:
    """End a run that no worker holds, as it stands in `run`: one that has not begun, or waits for a person.

    False where that is not so, or not any more.
    """
    left = await in_database(_unheld_end, run)
    return left is not None and await ending.finish(run, left)


def _unheld_end(run: Run) -> runs.Ending | None:
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
    left = _unheld_end(run)
    if (left is not None and runs.end(run, left) is not None) or runs.request_stop(run):
        ring_stop_now(str(run.pk))
    return RunStatus(Run.objects.values_list("status", flat=True).get(pk=run.pk))
