"""A decision is told to the members, and the run that waited for it goes on."""

import contextlib
import logging
from datetime import datetime
from uuid import UUID

from redis.exceptions import RedisError

from chatrouting.agents import approvals
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.queue import enqueue
from chatrouting.agents.recovery import tell_calls
from chatrouting.agents.statuses import RunStatus
from chatrouting.agents.stopping import end_unheld
from chatrouting.database import in_database
from chatrouting.stream.log import Fenced
from chatrouting.threads.rules import member_ids

logger = logging.getLogger(__name__)


async def resume(call: ToolCall) -> None:
    """Tell of the decision about this call and let its run go on.

    Nothing depends on the telling: the worker that goes on tells of it too, under the same key.
    """
    try:
        await _tell(call.run, call)
    except RedisError as error:
        logger.warning("a decision about run %s is told later: %s", call.run_id, error)
    await wake(call.run_id)


async def wake(run_id: UUID) -> None:
    """Let the run go on where it waits and there is a decision."""
    run = await in_database(approvals.wake, run_id)
    if run is not None:
        enqueue(run)


async def resume_late(now: datetime, limit: int) -> None:
    """Deny what nobody decided about in time, wake what a crash left waiting, end what is to be stopped."""
    for call in await in_database(approvals.expire, now, limit):
        await resume(call)
    for run_id in await in_database(approvals.overlooked, limit):
        await wake(run_id)
    for run in await in_database(approvals.stopped, limit):
        await end_unheld(run)


async def _tell(run: Run, call: ToolCall) -> None:
    """The run's fence as it stood before its end: so nothing of it comes after that.

    One that waits has told the rest. The worker of one that runs may not have come to it: who decides need not
    have been asked by the stream.
    """
    approval = await in_database(approvals.of, call)
    if approval is None or run.status == RunStatus.COMPLETED:
        return
    said = approvals.told_before_end(call, approval)
    untold = said[-1:] if run.status == RunStatus.WAITING else said
    members = await in_database(member_ids, run.thread_id)
    with contextlib.suppress(Fenced):  # the run goes on, or has ended: its worker has told of it
        await tell_calls(run, members, untold)
