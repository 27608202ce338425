"""The worker process: streaQ brings the ids of runs, the host runs them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from streaq import Worker

from chatrouting.agents import ending
from chatrouting.agents.catalogue import close_agents, prepare_agents
from chatrouting.agents.host import Intake, RunHost
from chatrouting.agents.queue import FORESEEN, TASK, run_queue, streaq_worker
from chatrouting.agents.supervisor import Stop
from chatrouting.agents.workers import forget, keep_seen
from chatrouting.conf import chat_settings
from chatrouting.outages import log_failure
from chatrouting.stream.doorbell import stops
from chatrouting.stream.valkey import close_valkey

logger = logging.getLogger(__name__)

REBUILD_SECONDS = (0.2, 0.5, 1.0, 2.0)
HAND_OVER_SECONDS = 2.0  # for what is not done after its grace to let go of its run
END_TRIES = 4
END_SECONDS = 0.25

Duty: TypeAlias = Coroutine[Any, Any, None]


async def run_worker(
    intake: Intake, stopped: asyncio.Event, duties: Sequence[Callable[[], Duty]] = ()
) -> None:
    """Work until `stopped` is set, then hand over what another worker can go on with, and return.

    What no other can go on with gets the grace of the settings to end first.
    `duties` of other rooms run beside, for ever. Raises what one of them raises.
    """
    async with asyncio.TaskGroup() as runs:
        host = RunHost(runs, intake)
        logger.info("worker %s begins", host.worker)
        own = (host.keep_leases, host.take_over, host.sweep, lambda: _heed_stops(host))
        started = [asyncio.create_task(duty()) for duty in (*own, *duties)]
        jobs = asyncio.create_task(_take_jobs(host, intake), name="jobs")
        started.append(jobs)
        seen = keep_seen(host.worker, intake.queues, lambda: (host.load, intake.concurrency))
        started.append(asyncio.create_task(seen, name="heartbeat"))
        preparing = asyncio.create_task(prepare_agents(), name="preparing agents")
        stopping = asyncio.create_task(stopped.wait())
        ended, _ = await asyncio.wait({stopping, *started}, return_when="FIRST_COMPLETED")
        host.leave()
        await _end([jobs])
        await host.let_finish(chat_settings().run_grace_seconds)
        await host.hand_over(HAND_OVER_SECONDS)
        await _end([stopping, preparing, *started])
    await forget(host.worker)
    await close_agents()
    await run_queue().close()
    await close_valkey()
    for duty in ended:
        duty.result()  # a duty that ended by itself ended by what it raises here


async def _end(duties: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel them, again where it is swallowed: streaQ's client does so after a flush."""
    left = set(duties)
    for _ in range(END_TRIES):
        for duty in left:
            duty.cancel()
        _, left = await asyncio.wait(left, timeout=END_SECONDS)
        if not left:
            return
    logger.error("%s did not end", ", ".join(duty.get_name() for duty in left))


async def _take_jobs(host: RunHost, intake: Intake) -> None:
    """streaQ's worker ends when Valkey is lost or flushed; a new one is made, the runs go on."""
    failures = 0
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await _worker(host, intake).run_async()
            logger.warning("the queue's worker ended; a new one is started")
        except Exception as error:  # noqa: BLE001 - reason: an edge: whatever streaQ raises, a new one is made
            log_failure(logger, "the queue's worker failed; a new one is started", error, FORESEEN)
        failures = failures + 1 if asyncio.get_running_loop().time() - began < 10 else 0
        await asyncio.sleep(REBUILD_SECONDS[min(failures, len(REBUILD_SECONDS) - 1)])


def _worker(host: RunHost, intake: Intake) -> Worker[None]:
    worker = streaq_worker(intake.concurrency, intake.queues)

    @worker.task(name=TASK, max_tries=None, timeout=None, ttl=0, silent=True)
    async def execute(run_id: str) -> None:
        try:
            await host.attend(UUID(run_id))
        except Exception:  # an edge: the sweep enqueues again what the row says is to be done
            logger.exception("job for run %s failed", run_id)

    return worker


async def _heed_stops(host: RunHost) -> None:
    """Stop a run as soon as the nudge comes; the flag in the database is seen a second later anyway.

    Or tell of it, where an operator has ended it in the database: the sweep would, seconds later.
    """
    async for run_id in stops():
        host.stop(UUID(run_id), Stop.CANCELLED)
        try:
            await ending.heed_end(UUID(run_id))
        except Exception as error:  # noqa: BLE001 - reason: an edge: the sweep tells what was not told here
            log_failure(logger, f"the end of run {run_id} is told later", error)
