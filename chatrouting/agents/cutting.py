"""Ending an agent that is at work: asked to stop, waited for a little, then left behind."""

import asyncio
import logging
from collections.abc import AsyncIterator
from enum import StrEnum

from chatrouting.agents.contract import AgentEvent
from chatrouting.agents.statuses import Outcome

logger = logging.getLogger(__name__)

GRACE_SECONDS = 0.5


class Cut(StrEnum):
    """Why an attempt is over although its agent was not done and nobody stopped it."""

    LATE = "late"
    SILENT = "silent"
    WAITS = "waits"


# Why it was cut → how the run ends, and in which words.
LIMITS = {
    Cut.LATE: (Outcome.TIMEOUT, "run_timeout", "The agent took too long."),
    Cut.SILENT: (Outcome.LOST, "no_progress", "The agent gave no sign of progress."),
}


async def cut(driving: "asyncio.Task[None]") -> BaseException | None:
    """Cancel the agent where it still works, wait a little, and return what it raised.

    One that swallows its cancellation is left behind, and is not heard again.
    """
    if not driving.done():
        driving.cancel()
        await asyncio.wait({driving}, timeout=GRACE_SECONDS)
    if not driving.done():
        logger.error("%s does not stop", driving.get_name())
        driving.add_done_callback(_forget)
        return None
    if driving.cancelled():
        return asyncio.CancelledError("the agent was cancelled, or cancelled itself")
    return driving.exception()


async def close(events: AsyncIterator[AgentEvent]) -> None:
    """Let the agent's generator clean up."""
    closing = getattr(events, "aclose", None)
    if closing is not None:
        await closing()


def _forget(driving: "asyncio.Task[None]") -> None:
    """What one that was left behind raises at last is of no interest, but must be looked at."""
    if not driving.cancelled():
        driving.exception()
