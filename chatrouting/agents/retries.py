"""When a run whose attempt failed begins another, and how long it rests before: no worker holds it meanwhile.

Each pause is twice the one before, spread by chance so that what failed together is not tried together. After
a crash the lease that has to run out counts towards it. An attempt that a stopped worker handed over is none
of these: it goes on at once, and counts for nothing.
"""

import logging
import random
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from chatrouting import counters
from chatrouting.agents.contract import CrashPolicy, Usage
from chatrouting.agents.models import Run
from chatrouting.agents.queue import enqueue_later
from chatrouting.agents.recovery import tool_started
from chatrouting.agents.statuses import RunStatus
from chatrouting.conf import chat_settings
from chatrouting.database import patiently

logger = logging.getLogger(__name__)

STOPPED_AT_REST = Q(retry_at__isnull=False, cancel_requested_at__isnull=False)
LONGEST_PAUSE_SECONDS = 60.0
SPREAD = 0.25


def attempts_counted(run: Run) -> int:
    """How many of the attempts it may make a run has begun."""
    return run.attempt - run.handed_over


def pause_after(attempts: int) -> float:
    """Seconds from the failure of the last of so many attempts to the next, before chance spreads them."""
    doubled = 2.0 ** min(max(attempts - 1, 0), 30)
    return min(chat_settings().run_pause_seconds * doubled, LONGEST_PAUSE_SECONDS)


def is_free(run: Run, now: datetime) -> bool:
    """Whether a worker may take this running run. One that is to be stopped rests no longer, but is ended."""
    stopped = run.cancel_requested_at is not None
    if run.lease_until is None or (stopped and run.retry_at is not None):
        return True
    attempts, conf = attempts_counted(run), chat_settings()
    crashed = run.worker and not stopped and attempts < conf.run_attempts
    pause = pause_after(attempts) - conf.lease_seconds if crashed else 0
    return run.lease_until + timedelta(seconds=max(pause, 0)) <= now


async def retry_later(run: Run, policy: CrashPolicy, usage: Usage | None) -> bool:
    """Let a run that failed in a way that may pass be tried again. False where it is to end as it has failed."""
    pause = await patiently(rest, run, policy, usage)
    if pause is None:
        return False
    logger.info("run %s is tried again in %.1f s", run.pk, pause)
    counters.runs_retried.inc()
    enqueue_later(run, pause)
    return True


def rest(run: Run, policy: CrashPolicy, usage: Usage | None) -> float | None:
    """Let go of a run that failed in a way that may pass; seconds until its next attempt.

    None where there is to be none: its attempts or its time are used up, it is to be stopped, another
    worker has it, or its agent would begin anew although a tool has started.
    """
    attempts = attempts_counted(run)
    pause = pause_after(attempts) * random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - reason: only spreads load
    until = timezone.now() + timedelta(seconds=pause)
    if attempts >= chat_settings().run_attempts or (run.deadline and until >= run.deadline):
        return None
    if policy is not CrashPolicy.CONTINUE and tool_started(run):
        return None
    held = Run.objects.filter(
        pk=run.pk, status=RunStatus.RUNNING, fence=run.fence, cancel_requested_at=None
    )
    used = (
        {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens} if usage else {}
    )
    rests = held.update(worker="", lease_until=until, retry_at=until, **used)
    return pause if rests else None
