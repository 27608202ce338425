"""A run that needs more than one attempt, on real processes: its agent failed, or its worker was killed."""

import asyncio
import time
from pathlib import Path

import pytest

from chatrouting.testing.order import check_run
from chatrouting.testing.system import wait_until

TOOLS = "tests.integration.side_effects."


@pytest.fixture
def own(own_database, tmp_path):
    """Settings of processes that nobody else's worker helps."""
    return {
        "DATABASE_URL": own_database,
        "MARKS": str(tmp_path / "marks"),
        "CHATROUTING_QUEUE": tmp_path.name,
        "CHATROUTING_AGENTS": f"chatrouting.agents.demo.DemoAgent,{TOOLS}Brittle",
        "CHATROUTING_TOOLS": f"{TOOLS}mark,{TOOLS}mark_by_key",
        "CHATROUTING_LEASE_SECONDS": "1",
        "CHATROUTING_SWEEP_SECONDS": "0.5",
        "CHATROUTING_RUN_PAUSE_SECONDS": "0.2",
    }


async def killed_within(own_system, own, alice, tool, agent="demo"):
    """Let an agent call this tool, kill its worker while it is at work, start another: the run, and the marks."""
    marks = Path(own["MARKS"])
    worker, web = own_system.worker(**own, MARK_SECONDS="60"), own_system.web(**own)
    async with await web.connect(alice, seconds=20) as a:
        content = f'/tool {tool} {{"word": "once"}}'
        accepted = await a.ask("start_agent", agent=agent, content=content)
        await asyncio.to_thread(wait_until, lambda: marked(marks), "the tool at work")
        worker.kill()
        own_system.worker(**own, MARK_SECONDS="0")
        events = await a.whole_run(accepted["payload"]["run_id"])
    check_run(events)
    return events, await asyncio.to_thread(lambda: marks.read_text().split())


def marked(marks):
    """Whether a tool has left its line: a file that was only opened for it is there, too."""
    return marks.exists() and marks.read_text().endswith("\n")


def called(events):
    """How the one call of the run ended."""
    (payload,) = [each["payload"] for each in events if each["type"] == "tool_completed"]
    return payload


async def test_an_idempotent_tool_is_called_again_under_the_same_key(own_system, own, alice):
    """Rows 51, 90: killed within the tool; the call is one to its members, and ends once."""
    events, marks = await killed_within(own_system, own, alice, "mark_by_key")

    assert len(marks) == 2 and len(set(marks)) == 1
    assert marks[0].startswith("once=") and marks[0] != "once="
    assert (called(events)["status"], called(events)["result"]) == ("ok", "once")
    assert (events[-1]["payload"]["outcome"], events[-1]["payload"]["attempt"]) == ("success", 2)


async def test_another_tool_is_not_and_its_agent_is_told(own_system, own, alice):
    """Rows 51, 90: whether it did its work is not known, so it is not done again."""
    events, marks = await killed_within(own_system, own, alice, "mark")

    assert marks == ["once"]
    assert called(events)["status"] == "interrupted"
    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"]) == ("success", 2)
    assert end["content"].startswith("mark: interrupted")


async def test_a_run_that_may_not_go_on_ends_lost_and_calls_nothing_again(own_system, own, alice):
    """Row 103: the user is told, and the open call is ended."""
    events, marks = await killed_within(own_system, own, alice, "mark_by_key", "brittle")

    assert len(marks) == 1
    assert called(events)["status"] == "interrupted"
    assert [each["payload"]["code"] for each in events if each["type"] == "agent_error"] == [
        "worker_lost"
    ]
    assert (events[-1]["payload"]["outcome"], events[-1]["payload"]["attempt"]) == ("lost", 1)


async def test_an_attempt_that_failed_in_a_way_that_may_pass_is_made_again(own_system, own, alice):
    """Row 49: retried with growing delay; one end, and no error before it."""
    own_system.worker(**own)
    web = own_system.web(**own)
    async with await web.connect(alice) as a:
        good = (await a.ask("user_message", content="/flaky 2"))["payload"]["run_id"]
        bad = (await a.ask("user_message", content="/flaky 99"))["payload"]["run_id"]
        came_off, failed = await a.whole_run(good), await a.whole_run(bad)

    for events in (came_off, failed):
        check_run(events)
        assert [
            each["payload"]["attempt"] for each in events if each["type"] == "agent_started"
        ] == [1, 2, 3]
    assert came_off[-1]["payload"]["content"] == "Attempt 3 came off."
    assert "agent_error" not in [each["type"] for each in came_off]
    (error,) = [each["payload"] for each in failed if each["type"] == "agent_error"]
    assert (error["code"], error["retryable"]) == ("demo_flaky", True)
    assert failed[-1]["payload"]["outcome"] == "failed"


@pytest.mark.parametrize(("grace", "outcome"), [("10", "success"), ("0.1", "lost")])
async def test_a_worker_that_is_to_stop_lets_a_run_end_that_would_be_lost(
    own_system, own, alice, grace, outcome
):
    """Row 70: SIGTERM; within the grace of the settings, and no longer."""
    environment = {**own, "MARK_SECONDS": "1.5", "CHATROUTING_RUN_GRACE_SECONDS": grace}
    worker, web = own_system.worker(**environment), own_system.web(**own)
    async with await web.connect(alice, seconds=20) as a:
        content = '/tool mark {"word": "once"}'
        accepted = await a.ask("start_agent", agent="brittle", content=content)
        await asyncio.to_thread(wait_until, lambda: marked(Path(own["MARKS"])), "the tool at work")
        assert await asyncio.to_thread(worker.stop) == 0
        own_system.worker(**own)
        events = await a.whole_run(accepted["payload"]["run_id"])

    check_run(events)
    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"]) == (outcome, 1)
    worker.assert_no_traceback()


async def test_a_worker_that_is_to_stop_takes_nothing_from_the_others(own_system, own, alice):
    """Row 70: in its grace it waits for its run; what it took and dropped would begin 3 s later."""
    environment = {**own, "MARK_SECONDS": "60", "CHATROUTING_RUN_GRACE_SECONDS": "60"}
    worker, web = own_system.worker(**environment), own_system.web(**own)
    async with await web.connect(alice, seconds=20) as a:
        await a.ask("start_agent", agent="brittle", content='/tool mark {"word": "once"}')
        await asyncio.to_thread(wait_until, lambda: marked(Path(own["MARKS"])), "the tool at work")
        worker.process.terminate()
        await asyncio.to_thread(worker.has_said, "takes no more; runs at work: 1")
        other = own_system.worker(**own)
        await asyncio.to_thread(other.has_said, "takes runs")
        for _ in range(5):
            run_id = (await a.ask("user_message", content="/think 1"))["payload"]["run_id"]
            async with asyncio.timeout(2.5):
                await a.expect_event("agent_started", run_id=run_id)
            check_run(await a.whole_run(run_id))
        assert worker.process.poll() is None
        worker.kill()


async def test_a_run_whose_worker_has_just_died_is_stopped_without_another(own_system, own, alice):
    """Row 97: its lease has not run out; once it has, a web process ends the run."""
    environment = {**own, "CHATROUTING_PROCESS_HEARTBEAT_SECONDS": "0.3"}
    worker, web = own_system.worker(**own), own_system.web(**environment)
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/hang")
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("agent_delta", run_id=run_id)
        worker.kill()
        stopping = await a.ask("stop_agent", run_id=run_id)
        events = await a.whole_run(run_id)

    check_run(events)
    end = events[-1]["payload"]
    assert (stopping["type"], end["outcome"], end["attempt"]) == ("run_stopping", "cancelled", 1)
    assert end["content"] == "I do nothing until I am stopped. "


async def test_a_run_that_rests_is_stopped_within_a_second(own_system, own, alice):
    """Row 97: no worker holds it, and the text so far is kept."""
    environment = {**own, "CHATROUTING_RUN_PAUSE_SECONDS": "30"}
    worker, web = own_system.worker(**environment), own_system.web(**environment)
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/flaky 1")
        run_id = accepted["payload"]["run_id"]
        await asyncio.to_thread(worker.has_said, "is tried again in")
        status = await a.ask("run_status", run_id=run_id)
        began = time.monotonic()
        await a.ask("stop_agent", run_id=run_id)
        events = await a.whole_run(run_id)
        assert time.monotonic() - began < 1

    check_run(events)
    assert (status["payload"]["status"], status["payload"]["attempt"]) == ("running", 1)
    assert status["payload"]["text"] == "This may go better soon. "
    assert events[-1]["payload"]["content"] == "This may go better soon. "
