"""Stopping runs, for whoever may: at once where nobody is at work on it, else by its worker."""

from uuid import UUID

from chatrouting.agents import ending, runs
from chatrouting.agents.models import Outcome, Run, RunStatus
from chatrouting.database import in_database
from chatrouting.stream.doorbell import ring_stop, ring_stop_now


async def stop(run: Run) -> bool:
    """Stop a run. True where it has ended by this, else its worker has been asked to end it."""
    if run.attempt == 0 and await ending.finish(run, runs.Ending(Outcome.CANCELLED)):
        return True
    if await in_database(runs.request_stop, run):
        await ring_stop(str(run.pk))
    return False


async def stop_all(thread_id: UUID) -> None:
    """Stop every run of a thread."""
    for run in await in_database(runs.unfinished, thread_id):
        await stop(run)


def stop_now(run: Run) -> RunStatus:
    """Stop a run for a caller without an event loop, and return where it stands now.

    One that no worker has had ends at once, and a worker tells of it.
    """
    unclaimed = run.attempt == 0 and runs.end(run, runs.Ending(Outcome.CANCELLED)) is not None
    if unclaimed or runs.request_stop(run):
        ring_stop_now(str(run.pk))
    return RunStatus(Run.objects.values_list("status", flat=True).get(pk=run.pk))
