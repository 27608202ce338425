"""An attempt that failed in a way that may pass is made again, after a pause in which no worker holds the run."""

from datetime import timedelta

import pytest
from django.utils import timezone
from msgspec.structs import replace

from chatrouting.agents import retries, runs
from chatrouting.agents.contract import AgentError, CrashPolicy, Delta, Saved, Usage
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.queue import RunQueue
from chatrouting.agents.stopping import end_unheeded, stop
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_claimed_run, a_thread, ask, claimed, events_of, expire, now_of
from tests.agents.hosted import a_host, a_run, attend, row_of, types_of
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until

PASSING = AgentError("own_code", "The agent is tired.", retryable=True)
ATTEMPTS = chat_settings().run_attempts


class Flaky(ScriptedAgent):
    """Takes these steps at the first so many attempts, then says that it came off."""

    def __init__(self, *steps, times=1):
        super().__init__(steps)
        self.times = times

    async def run(self, ctx):
        if ctx.attempt > self.times:
            self.seen.append(ctx)
            yield Delta("at last")
            return
        async for event in super().run(ctx):
            yield event


class Going(Flaky):
    """As that, and goes on from what it saved."""

    on_crash = CrashPolicy.CONTINUE


class Frail(Flaky):
    """As that, and is lost with its worker."""

    on_crash = CrashPolicy.FAIL


@pytest.fixture
def soon(monkeypatch):
    """Pauses of a few milliseconds."""
    changed = replace(chat_settings(), run_pause_seconds=0.01)
    monkeypatch.setattr(retries, "chat_settings", lambda: changed)


async def attended(run, times):
    """Let a worker take it so often; its row and what its owner was told."""
    async with a_host() as host:
        for _ in range(times):
            await attend(host, run.pk)
            await in_database(expire, run)
    return await row_of(run), await events_of(run)


@pytest.mark.parametrize("agent", [Flaky, Going, Frail])
async def test_a_failure_that_passes_costs_an_attempt_and_not_the_run(install, agent):
    """Row 49: retried, whatever the agent's policy after a crash; `agent_started` voids the text."""
    install(agent(Delta("so far"), PASSING))

    row, events = await attended(await a_run(), 2)

    check_run(events)
    kinds = ["agent_started", "agent_delta", "agent_started", "agent_delta", "agent_completed"]
    assert [event["type"] for event in events] == kinds
    assert (row.outcome, row.attempt, row.retry_at) == ("success", 2, None)
    assert events[-1]["payload"]["content"] == "at last"


async def test_it_ends_when_its_attempts_are_used_up_and_says_why_once(install):
    """Rows 49, 50: at most N times; it is dead-lettered, and the user is told once."""
    install(Flaky(PASSING, times=99))

    row, events = await attended(await a_run(), ATTEMPTS + 2)

    check_run(events)
    (error,) = [event["payload"] for event in events if event["type"] == "agent_error"]
    assert (error["code"], error["message"]) == ("own_code", "The agent is tired.")
    assert error["retryable"] is True
    assert (row.outcome, row.attempt) == ("failed", ATTEMPTS)
    letter = await in_database(DeadLetter.objects.get, run=row)
    assert letter.tries == ATTEMPTS


async def test_no_worker_holds_a_run_that_rests(install):
    install(Flaky(PASSING))
    run = await a_run()

    async with a_host() as host:
        await attend(host, run.pk)
        await attend(host, run.pk)  # too early
        assert host.load == 0

    row = await row_of(run)
    assert (row.status, row.worker, row.attempt) == ("running", "", 1)
    assert row.lease_until == row.retry_at > timezone.now()


async def test_a_run_that_has_rested_is_enqueued_without_the_sweep(install, soon, monkeypatch):
    told = []
    monkeypatch.setattr(RunQueue, "put", lambda queue, run: told.append(run))
    install(Flaky(PASSING))
    run = await a_run()

    async def due():
        return told

    async with a_host() as host:
        await attend(host, run.pk)
        assert await until(due) == [run]


async def test_an_agent_that_cannot_go_on_is_not_tried_again_after_a_tool(install):
    """A tool that may have done something is never silently run again."""
    install(Flaky(("clock", {}), PASSING))

    row, events = await attended(await a_run(), 1)

    check_run(events)
    assert (row.outcome, row.error_code, row.attempt) == ("failed", "own_code", 1)


async def test_an_agent_that_goes_on_does_so_from_what_it_saved(install):
    agent = Going(
        Delta("kept "), Saved({"step": 1}), Usage(3, 4), ("clock", {}), Delta("not"), PASSING
    )
    install(agent)

    _, events = await attended(await a_run(), 2)

    check_run(events)
    assert (agent.seen[1].saved, agent.seen[1].usage) == ({"step": 1}, Usage(3, 4))
    assert events[-1]["payload"]["content"] == "kept at last"
    assert [event["type"] for event in events].count("tool_executing") == 1


async def test_a_failure_that_does_not_pass_ends_the_run(install):
    install(Flaky(AgentError("own_code", "The agent is tired.")))

    row, events = await attended(await a_run(), 1)

    (error,) = [event["payload"] for event in events if event["type"] == "agent_error"]
    assert (row.outcome, row.attempt, error["retryable"]) == ("failed", 1, False)


async def test_a_pause_that_would_outlast_the_deadline_is_none(install):
    install(Flaky(PASSING))
    run = await in_database(a_claimed_run)
    near = timezone.now() + timedelta(seconds=0.5)
    await in_database(Run.objects.filter(pk=run.pk).update, deadline=near)

    row = await in_database(now_of, run)
    assert await in_database(retries.rest, row, CrashPolicy.RESTART, None) is None


async def test_a_run_that_rests_is_stopped_at_once_and_keeps_its_text(install):
    """Row 97: cancelled exactly once, without a worker."""
    install(Flaky(Delta("so far"), PASSING))
    run = await a_run()
    async with a_host() as host:
        await attend(host, run.pk)

    assert await stop(await row_of(run))

    events = await events_of(run)
    check_run(events)
    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"], end["content"]) == ("cancelled", 1, "so far")


async def test_a_run_that_rests_and_is_to_be_stopped_is_found_by_every_sweep(install):
    """Also where who asked could not end it: an operator's command, a process that died."""
    install(Flaky(PASSING))
    run = await a_run()
    async with a_host() as host:
        await attend(host, run.pk)
    await in_database(runs.request_stop, run)

    assert run in await in_database(runs.unclaimed, timezone.now(), 1_000)
    await end_unheeded()

    assert (await row_of(run)).outcome == "cancelled"
    assert (await types_of(run))[-1] == "agent_completed"


async def test_what_was_stopped_and_left_by_its_worker_ends_without_another(install):
    """Row 97: a web process sees to it once the lease has run out."""
    run = await in_database(a_claimed_run)
    await in_database(runs.request_stop, run)
    await end_unheeded()
    assert (await row_of(run)).status == "running"

    await in_database(expire, run)
    await end_unheeded()

    assert (await row_of(run)).outcome == "cancelled"


def test_each_pause_is_twice_the_one_before_up_to_a_minute():
    first = chat_settings().run_pause_seconds

    assert [retries.pause_after(n) / first for n in (1, 2, 3)] == [1, 2, 4]
    assert retries.pause_after(500) == retries.LONGEST_PAUSE_SECONDS


def test_pauses_are_spread():
    """So that what failed together is not tried together."""
    pauses = {retries.rest(a_claimed_run(), CrashPolicy.RESTART, None) for _ in range(5)}

    first = chat_settings().run_pause_seconds
    assert len(pauses) == 5
    assert all(0.75 * first <= each <= 1.25 * first for each in pauses)


def test_after_a_crash_the_lease_counts_towards_the_pause(monkeypatch):
    """Row 51: the first attempts after a crash wait for nothing else."""
    changed = replace(chat_settings(), run_attempts=9)
    monkeypatch.setattr(retries, "chat_settings", lambda: changed)
    run = claimed(ask(a_thread()))
    expire(run)

    assert retries.is_free(now_of(run), timezone.now())
    Run.objects.filter(pk=run.pk).update(attempt=4)
    late, left = now_of(run), 16 - changed.lease_seconds
    assert not retries.is_free(late, timezone.now())
    assert not retries.is_free(late, late.lease_until + timedelta(seconds=left - 0.1))
    assert retries.is_free(late, late.lease_until + timedelta(seconds=left))


def test_a_run_whose_attempts_are_used_up_does_not_wait_for_its_end():
    run = claimed(ask(a_thread()))
    Run.objects.filter(pk=run.pk).update(attempt=ATTEMPTS + 3)
    expire(run)

    assert retries.is_free(now_of(run), timezone.now())
