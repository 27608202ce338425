"""The worker process: the queue brings the ids of runs, the host runs them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from chatrouting.agents import ending
from chatrouting.agents.catalogue import close_agents, prepare_agents
from chatrouting.agents.host import Intake, RunHost
from chatrouting.agents.queue import QueueReader, run_queue
from chatrouting.agents.supervisor import Stop
from chatrouting.agents.workers import forget, keep_seen
from chatrouting.conf import chat_settings
from chatrouting.garbage import spare_what_is_loaded
from chatrouting.outages import log_failure
from chatrouting.stream.doorbell import stops
from chatrouting.stream.valkey import close_valkey

logger = logging.getLogger(__name__)

TAKEN = 10  # runs taken from the queue together: another worker may be free as well
PAUSE_SECONDS = 0.5  # while the queue does not answer
HAND_OVER_SECONDS = 2.0  # for what is not done after its grace to let go of its run
END_SECONDS = 1.0

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
        taking = asyncio.create_task(_keep_taking(host, intake.queues), name="run queue's reader")
        started.append(taking)
        seen = keep_seen(host.worker, intake.queues, lambda: (host.load, intake.concurrency))
        started.append(asyncio.create_task(seen, name="heartbeat"))
        preparing = asyncio.create_task(_prepare(), name="preparing agents")
        stopping = asyncio.create_task(stopped.wait())
        ended, _ = await asyncio.wait({stopping, *started}, return_when="FIRST_COMPLETED")
        host.leave()
        await _end([taking])
        logger.info("worker %s takes no more; runs at work: %d", host.worker, host.load)
        await host.let_finish(chat_settings().run_grace_seconds)
        await host.hand_over(HAND_OVER_SECONDS)
        await _end([stopping, preparing, *started])
    await forget(host.worker)
    await close_agents()
    await run_queue().close()
    await close_valkey()
    for duty in ended:
        duty.result()  # a duty that ended by itself ended by what it raises here


async def _prepare() -> None:
    await prepare_agents()
    spare_what_is_loaded()


async def _end(duties: Sequence[asyncio.Task[Any]]) -> None:
    for duty in duties:
        duty.cancel()
    _, left = await asyncio.wait(duties, timeout=END_SECONDS)
    if left:
        logger.error("%s did not end", ", ".join(duty.get_name() for duty in left))


async def _keep_taking(host: RunHost, queues: Sequence[str]) -> None:
    """Bring to the host what the queues have, for ever. Without Valkey the runs that are here go on."""
    reader = QueueReader(queues)
    try:
        while True:
            try:
                await _take(host, reader)
            except Exception as error:  # noqa: BLE001 - reason: an edge: the sweep finds what was not taken
                log_failure(logger, "the run queue cannot be read", error)
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        reader.close()


async def _take(host: RunHost, reader: QueueReader) -> None:
    for run_id in await reader.take(min(await host.room(), TAKEN)):
        host.receive(run_id)


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
