"""Whatever people and workers do in whatever order: the rules of a thread's runs hold."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatrouting.agents import claims, retries, runs
from chatrouting.agents.contract import CrashPolicy
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import ACTIVE, Outcome, RunStatus
from chatrouting.conf import chat_settings
from chatrouting.threads.models import ThreadMessage
from routing_core.errors import Busy
from tests.agents.accepted import a_thread, ask, expire, now_of, place_of

WORKERS = st.sampled_from(["one", "two", "three"])


class ThreadOfRuns(RuleBasedStateMachine):
    """One thread, three workers. Each holds runs as it saw them when it claimed them."""

    def __init__(self):
        super().__init__()
        self.thread = a_thread()
        self.asked = []
        self.held = {}
        self.fences = {}
        self.ends = {}
        self.admitted = []

    def rows(self):
        return {run.pk: run for run in Run.objects.filter(thread=self.thread)}

    def unfinished(self):
        return [run for run in self.asked if run.pk not in self.ends]

    @rule()
    def accept(self):
        waiting = len([run for run in self.unfinished() if run.pk not in self.admitted])
        try:
            run = ask(self.thread)
        except Busy:
            assert waiting >= chat_settings().queue_per_thread
            return
        assert (run.status == RunStatus.RUNNING) == (not self.unfinished())
        self.asked.append(run)
        if run.status == RunStatus.RUNNING:
            self.admitted.append(run.pk)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 100), worker=WORKERS)
    def claim(self, which, worker):
        run = self.asked[which % len(self.asked)]
        before = now_of(run)
        taken = claims.claim(run.pk, worker)
        stopped = before.cancel_requested_at is not None
        free = before.lease_until is None or run.pk in getattr(self, "expired", set())
        free = free or (stopped and before.retry_at is not None)
        assert (taken is not None) == (before.status == RunStatus.RUNNING and free)
        if taken is not None:
            rested = before.retry_at is not None and not stopped
            assert taken.recovered == (before.attempt > 0 and not rested)
            assert taken.run.attempt == before.attempt + 1
            self.expired = getattr(self, "expired", set()) - {run.pk}
            self.held[worker, run.pk] = taken.run

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def expire_lease(self, which):
        run = self._held(which)
        if now_of(run).status == RunStatus.RUNNING:
            expire(run)
            self.expired = getattr(self, "expired", set()) | {run.pk}

    @rule(worker=WORKERS)
    def renew(self, worker):
        rows = self.rows()
        own = {key for key, row in rows.items() if row.worker == worker and row.status == "running"}
        assert claims.renew_leases(worker, list(rows)).keys() == own
        self.expired = getattr(self, "expired", set()) - own

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def hand_over(self, which):
        run = self._held(which)
        current = now_of(run)
        holds = current.fence == run.fence and current.status == RunStatus.RUNNING
        assert claims.hand_over(run) == holds
        if holds:
            self.expired = getattr(self, "expired", set()) | {run.pk}

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100))
    def rest(self, which):
        run = self._held(which)
        current = now_of(run)
        holds = current.fence == run.fence and current.status == RunStatus.RUNNING
        left = retries.attempts_counted(run) < chat_settings().run_attempts
        rests = retries.rest(run, CrashPolicy.RESTART, None) is not None
        assert rests == (holds and left and current.cancel_requested_at is None)
        if rests:
            self.expired = getattr(self, "expired", set()) - {run.pk}

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 100), outcome=st.sampled_from(Outcome))
    def end_by_worker(self, which, outcome):
        self._end(self._held(which), outcome)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 100))
    def stop(self, which):
        run = now_of(self.asked[which % len(self.asked)])
        assert (runs.request_stop(run) is not None) == (run.pk not in self.ends)
        if run.attempt == 0:
            self._end(run, Outcome.CANCELLED)

    def _held(self, which):
        return list(self.held.values())[which % len(self.held)]

    def _end(self, run, outcome):
        current = now_of(run)
        holds = current.status == run.status != RunStatus.COMPLETED and current.fence == run.fence
        ended = runs.end(run, runs.Ending(outcome, "said"))
        assert (ended is not None) == holds
        if ended is None:
            return
        self.ends[run.pk] = outcome
        self.admitted += [run.pk for run in ended.admitted]

    @invariant()
    def at_most_one_run_is_active(self):
        assert Run.objects.filter(thread=self.thread, status__in=ACTIVE).count() <= 1

    @invariant()
    def nothing_waits_while_the_thread_is_free(self):
        states = [row.status for row in self.rows().values()]
        assert RunStatus.RUNNING in states or RunStatus.QUEUED not in states

    @invariant()
    def the_fence_never_falls(self):
        for key, row in self.rows().items():
            assert row.fence >= self.fences.get(key, 0)
            assert row.fence == row.attempt + (row.status == RunStatus.COMPLETED)
            self.fences[key] = row.fence

    @invariant()
    def a_run_ends_once_and_stays_so(self):
        rows = self.rows()
        assert {key: row.outcome for key, row in rows.items() if row.outcome} == self.ends
        answers = ThreadMessage.objects.filter(thread=self.thread, role="agent").count()
        assert answers == len(self.ends)

    @invariant()
    def runs_are_admitted_in_the_order_of_arrival(self):
        order = [run.pk for run in self.asked]
        places = [order.index(key) for key in self.admitted]
        assert places == sorted(places)

    @invariant()
    def places_in_the_queue_are_one_after_another(self):
        waiting = [run for run in self.asked if self.rows()[run.pk].status == RunStatus.QUEUED]
        assert [place_of(run) for run in waiting] == list(range(1, len(waiting) + 1))


ThreadOfRuns.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


@pytest.mark.usefixtures("services")
class TestThreadOfRuns(ThreadOfRuns.TestCase):
    """The rules above, in any order."""
