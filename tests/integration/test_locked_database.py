"""A SQLite database that somebody else locks for longer than is waited for a lock."""

import asyncio
import sqlite3
from contextlib import closing, contextmanager

import pytest

from chatrouting.serving.exiting import EXIT_CODE
from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run


@contextmanager
def locked(path):
    """Nobody else writes to the database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("content", "begun", "written", "waits"),
    [
        ("/stream 25 20", "agent_delta", "25 ", "end"),
        ("/slowtool 1", "tool_executing", "waited 1 s", "end"),
    ],
    ids=("at the end of a run", "at the end of a call"),
)
async def test_a_run_outlives_a_database_that_is_locked(
    own_system, own_database, alice, tmp_path, content, begun, written, waits
):
    """Row 53: nothing hangs, nothing is lost: one attempt, one end, of which the truth is told."""
    own = {
        "DATABASE_URL": f"{own_database}?timeout=1",
        "CHATROUTING_QUEUE": tmp_path.name,
        "CHATROUTING_AGENTS": "chatrouting.agents.demo.DemoAgent,tests.integration.side_effects.Brittle",
    }
    worker, web = own_system.worker(**own), own_system.web(**own)
    async with await web.connect(alice, seconds=20) as a:
        accepted = await a.ask("start_agent", agent="brittle", content=content)
        run_id = accepted["payload"]["run_id"]
        await a.expect_event(begun, run_id=run_id)
        with locked(tmp_path / "db.sqlite3"):
            refused = await a.ask("user_message", "refused", content="hello")
            await asyncio.to_thread(worker.has_said, f"the database is away, {waits}", 20)
            assert a.of_run(run_id)[-1]["type"] != "agent_completed"
        events = await a.whole_run(run_id)
        again = await a.ask("user_message", content="hello")
        check_run(await a.whole_run(again["payload"]["run_id"]))
        history = await a.ask("thread_history", thread_id=accepted["payload"]["thread_id"])

    check_run(events)
    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"]) == ("success", 1)
    assert end["content"].endswith(written)
    said = [each["content"] for each in history["payload"]["messages"]]
    assert said == [content, end["content"]]
    assert_error(refused, "refused", "overloaded", retry_after_ms=2_000)


async def test_a_web_process_that_is_told_to_end_waits_for_no_lock(
    own_system, own_database, alice, tmp_path
):
    """Row 70: Python would wait for the threads that want the database; the drain here has 8.1 s at most."""
    own = {"DATABASE_URL": f"{own_database}?timeout=60", "CHATROUTING_DRAIN_SECONDS": "0.1"}
    web = own_system.web(**own)
    async with await web.connect(alice) as a:
        with locked(tmp_path / "db.sqlite3"):
            code = await asyncio.to_thread(web.stop)
            await a.expect_close(4200)

    assert code == EXIT_CODE
    web.has_said("is cut")
