"""Runs that no worker holds are stopped, interrupted and deleted by the web process alone."""

import time

import pytest
from django.utils import timezone

from chatrouting.agents.models import Run
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.system import wait_until


@pytest.fixture
def alone(own_database):
    """Settings of processes that nobody else's worker helps."""
    return {
        "DATABASE_URL": own_database,
        "CHATROUTING_QUEUE": "left-behind",
        "CHATROUTING_LEASE_SECONDS": "1",
    }


@pytest.fixture
def held(tmp_path):
    """The runs of their database."""
    return Run.objects.using(tmp_path.name)


async def left_behind(client, worker, held, content, shown):
    """Say this, and kill the worker once that is seen; the run's id, when its lease has run out."""
    accepted = (await client.ask("user_message", content=content))["payload"]
    await client.expect_event(shown, run_id=accepted["run_id"])
    worker.kill()
    found = held.filter(pk=accepted["run_id"])
    await in_database(
        wait_until, lambda: found.filter(lease_until__lt=timezone.now()).exists(), "no lease"
    )
    return accepted


async def test_a_run_whose_worker_was_killed_is_stopped_within_a_second(
    own_system, alone, held, alice
):
    """Rows 90, 97: without any worker; the open call ends first."""
    worker, web = own_system.worker(**alone), own_system.web(**alone)
    async with await web.connect(alice) as a:
        accepted = await left_behind(a, worker, held, "/slowtool 60", "tool_executing")
        began = time.monotonic()
        reply = await a.ask("stop_agent", run_id=accepted["run_id"])
        events = await a.whole_run(accepted["run_id"])
        assert time.monotonic() - began < 1
    check_run(events)
    assert reply["payload"]["status"] == "completed"
    assert events[-2]["payload"]["status"] == "interrupted"
    assert events[-1]["payload"]["outcome"] == "cancelled"


async def test_a_thread_that_is_deleted_with_such_a_run_is_gone_within_a_second(
    own_system, alone, held, alice
):
    """Row 97: the end of the run first, then that of its thread."""
    worker, web = own_system.worker(**alone), own_system.web(**alone)
    async with await web.connect(alice) as a:
        accepted = await left_behind(a, worker, held, "/hang", "agent_delta")
        began = time.monotonic()
        await a.ask("delete_thread", thread_id=accepted["thread_id"])
        await a.expect_event("thread_removed")
        assert time.monotonic() - began < 1
        assert a.of_run(accepted["run_id"])[-1]["payload"]["outcome"] == "cancelled"
