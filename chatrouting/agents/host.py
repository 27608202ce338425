"""The runs of one worker process. A run belongs to the process's task group, whatever becomes of the queue."""

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.utils import timezone
from structlog.contextvars import bind_contextvars

from chatrouting.agents import causes, claims, ending, runs
from chatrouting.agents.admission import admit_missed
from chatrouting.agents.catalogue import installed_agents
from chatrouting.agents.contract import CrashPolicy
from chatrouting.agents.models import Run
from chatrouting.agents.queue import QUEUES, enqueue
from chatrouting.agents.recovery import tool_started
from chatrouting.agents.resuming import resume_late
from chatrouting.agents.retries import attempts_counted
from chatrouting.agents.statuses import Outcome, Priority
from chatrouting.agents.stopping import end_lost
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.batches import Batches
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.outages import log_failure

logger = logging.getLogger(__name__)

SWEEP_BATCH = 100
LEASE_CHECK_SECONDS = 1.0
LOST_IN_QUEUE = timedelta(seconds=2)  # the way through it takes milliseconds, where there is room
MOVE_CHECK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Intake:
    """What a worker takes: so many runs at a time, from these queues."""

    concurrency: int = 100
    queues: tuple[str, ...] = QUEUES


class RunHost:
    """Claims runs, supervises them, keeps their leases, and sweeps up what others left.

    What the queue has not brought to any worker in time is taken past it, where there is room.
    """

    def __init__(self, tasks: asyncio.TaskGroup, intake: Intake) -> None:
        self.worker = uuid.uuid4().hex
        self._tasks = tasks
        self._intake = intake
        self._supervisors: dict[UUID, Supervisor] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()  # of these, what the queue has brought once more
        self._room = asyncio.Semaphore(intake.concurrency)
        self.leaving = False  # no more runs are taken here
        self._claims: Batches[UUID, claims.Claimed] = Batches(
            partial(claims.claim_all, worker=self.worker)
        )

    async def room(self) -> int:
        """How many more runs may begin here; waits until it is one."""
        while self.load >= self._intake.concurrency:
            await asyncio.wait(set(self._running.values()), return_when="FIRST_COMPLETED")
        return self._intake.concurrency - self.load

    def receive(self, run_id: UUID) -> None:
        """Run it here unless someone has it.

        Where it is here already it may just be let go of and have been woken since: so it is tried again
        after that.
        """
        if run_id in self._running:
            self._again.add(run_id)
        elif not self.leaving:
            self._start(run_id)

    @property
    def load(self) -> int:
        """How many runs are at work here."""
        return len(self._running)

    def stop(self, run_id: UUID, why: Stop) -> None:
        """Stop a run, where it is one of this process."""
        supervisor = self._supervisors.get(run_id)
        if supervisor is not None:
            supervisor.stop(why)

    def leave(self) -> None:
        """Take no more runs."""
        self.leaving = True

    async def let_finish(self, seconds: float) -> None:
        """Let go at once of what another worker can go on with, and give the rest so long to end."""
        self.leave()
        until = asyncio.get_running_loop().time() + seconds
        while self._running and (left := until - asyncio.get_running_loop().time()) > 0:
            for supervisor in self._supervisors.values():
                if supervisor.may_move:
                    supervisor.stop(Stop.HANDED_OVER)
            await asyncio.wait(set(self._running.values()), timeout=min(MOVE_CHECK_SECONDS, left))

    async def hand_over(self, seconds: float) -> None:
        """Take no more runs and let go of every one, so that another worker takes them.

        What has not let go after so many seconds is cut: its lease runs out.
        """
        self.leave()
        for supervisor in self._supervisors.values():
            supervisor.stop(Stop.HANDED_OVER)
        if self._running:
            _, left = await asyncio.wait(set(self._running.values()), timeout=seconds)
            for task in left:
                logger.warning("%s was not handed over in time", task.get_name())
                task.cancel()

    async def keep_leases(self) -> None:
        """Hold on to what is here, stop what is to be stopped, drop what others took: at once, then for ever."""
        await _for_ever(self._renew, lambda: LEASE_CHECK_SECONDS)

    async def take_over(self) -> None:
        """See to what other workers let go of without a word: at once, then for ever.

        It begins again within `lease_seconds`, one look and the way through the queue: 6.2 s; past the queue,
        where whoever took it from there was killed as well before it had claimed it, within 8.2 s. From its
        fourth attempt on a run rests longer (`agents.retries`).
        """
        await _for_ever(self._see_to_left, lambda: LEASE_CHECK_SECONDS)

    async def sweep(self) -> None:
        """Publish ends that a crash kept back, then see to what no worker came for: at once, then for ever."""
        await _for_ever(self._sweep_once, _until_next_sweep)

    async def _renew(self) -> None:
        mine = list(self._supervisors)
        held = await in_database(claims.renew_leases, self.worker, mine) if mine else {}
        for run_id in mine:
            self._heed(run_id, held.get(run_id))

    def _heed(self, run_id: UUID, stop_asked: bool | None) -> None:
        if stop_asked is None:
            self.stop(run_id, Stop.TAKEN)
        elif stop_asked:
            self.stop(run_id, Stop.CANCELLED)

    async def _see_to_left(self) -> None:
        now = timezone.now()
        for run in await in_database(runs.left_behind, now, SWEEP_BATCH):
            left_at = run.lease_until or now
            self._bring(run, lost=left_at < now - LOST_IN_QUEUE)

    def _bring(self, run: Run, *, lost: bool) -> None:
        """Let a worker take it; `lost`: the queue had the time to see to that, and it came to nothing."""
        if lost and self._has_room_for(run):
            self._start(run.pk)
        else:
            enqueue(run)

    def _has_room_for(self, run: Run) -> bool:
        ours = Priority(run.priority).queue in self._intake.queues
        room = self.load < self._intake.concurrency and not self.leaving
        return ours and room and run.pk not in self._running

    def _start(self, run_id: UUID) -> None:
        task = self._tasks.create_task(self._take(run_id), name=f"run {run_id}")
        self._running[run_id] = task
        task.add_done_callback(lambda _: self._over(run_id))

    def _over(self, run_id: UUID) -> None:
        del self._running[run_id]
        if run_id in self._again:
            self._again.remove(run_id)
            self.receive(run_id)

    async def _sweep_once(self) -> None:
        for duty in (self._admit_missed, self._publish_late, self._take_unclaimed, self._resume):
            await _once(duty)

    async def _admit_missed(self) -> None:
        await ending.let_begin(await in_database(admit_missed, SWEEP_BATCH))

    async def _publish_late(self) -> None:
        for run in await in_database(runs.unpublished, timezone.now(), SWEEP_BATCH):
            await ending.publish_late(run)

    async def _take_unclaimed(self) -> None:
        for run in await in_database(runs.unclaimed, timezone.now(), SWEEP_BATCH):
            self._bring(run, lost=True)

    async def _resume(self) -> None:
        await resume_late(timezone.now(), SWEEP_BATCH)

    async def _take(self, run_id: UUID) -> None:
        """Claim it and make an attempt. It is one task, that nobody waits for."""
        try:
            async with self._room:
                await self._claim(run_id)
        except Exception:  # an edge: the lease runs out, and it is tried again
            logger.exception("run %s was dropped", run_id)
        finally:
            self._supervisors.pop(run_id, None)

    async def _claim(self, run_id: UUID) -> None:
        claimed = None if self.leaving else await self._claims.call(run_id)
        if claimed is not None and self.leaving:
            await in_database(claims.hand_over, claimed.run, begun=claimed.resumed)
        elif claimed is not None:
            await self._execute(claimed)

    async def _execute(self, claimed: claims.Claimed) -> None:
        run = claimed.run
        bind_contextvars(run_id=str(run.pk), user_id=str(run.user_id), trace_id=run.trace_id)
        logger.info("run %s begins attempt %d, trace %s", run.pk, run.attempt, run.trace_id)
        await self._begin(claimed)

    async def _begin(self, claimed: claims.Claimed) -> None:
        run, agent = claimed.run, installed_agents().get(claimed.run.agent)
        if claimed.recovered and (agent is None or not await self._may_go_on(run, agent.on_crash)):
            await in_database(claims.give_back_attempt, run)
            await self._end_lost(run, attempt=run.attempt - 1)
        elif agent is None and claimed.resumed:
            await self._end_lost(run, attempt=run.attempt)
        elif agent is None:
            why = causes.failure(run, "agent_not_installed", "This agent is not installed.")
            await ending.finish(run, runs.Ending(Outcome.FAILED, failure=why, attempt=0))
        else:
            resumed, members, untold = claimed.resumed, claimed.members, claimed.untold
            supervisor = Supervisor(run, agent, resumed=resumed, members=members, untold=untold)
            await self._supervise(supervisor, run)

    async def _supervise(self, supervisor: Supervisor, run: Run) -> None:
        self._supervisors[run.pk] = supervisor
        if run.cancel_requested_at is not None:
            supervisor.stop(Stop.CANCELLED)
        await supervisor.supervise()

    async def _may_go_on(self, run: Run, policy: CrashPolicy) -> bool:
        attempts = attempts_counted(run)
        if run.cancel_requested_at is not None or attempts > chat_settings().run_attempts:
            return False
        if policy is CrashPolicy.RESTART:
            return not await in_database(tool_started, run)
        return policy is CrashPolicy.CONTINUE

    async def _end_lost(self, run: Run, *, attempt: int) -> None:
        outcome, why = Outcome.CANCELLED, None
        if run.cancel_requested_at is None:
            outcome = Outcome.LOST
            why = causes.failure(run, "worker_lost", "The worker of this run was lost.")
        await end_lost(run, outcome, why, attempt=attempt)


async def _for_ever(act: Callable[[], Awaitable[None]], pause: Callable[[], float]) -> None:
    """Do it, and again after so many seconds each time. What fails is logged, and done again as well."""
    while True:
        await _once(act)
        await asyncio.sleep(pause())


async def _once(duty: Callable[[], Awaitable[None]]) -> None:
    try:
        await duty()
    except Exception as error:  # noqa: BLE001 - reason: an edge: a database that is away costs a round, never the loop
        log_failure(logger, f"{duty.__name__.strip('_')} failed, and is done again soon", error)


def _until_next_sweep() -> float:
    return chat_settings().sweep_seconds * random.uniform(0.8, 1.2)  # noqa: S311 - reason: jitter
