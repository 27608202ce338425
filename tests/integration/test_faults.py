"""Processes that die, networks that drop, a Valkey that forgets: what the user sees all the same."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
import redis
from django.db import connections

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run
from chatrouting.testing.system import System, wait_until
from tests.agents.waiting import until

TAKEN_OVER_SECONDS = 10
REFUSED_SECONDS = 8


def ends(client, run_id):
    return [e["payload"] for e in client.of_run(run_id) if e["type"] == "agent_completed"]


async def test_a_killed_worker_is_taken_over(own_system, alice):
    """Row 51: another begins attempt 2 within 10 s, and the user sees one end."""
    queue = {"CHATROUTING_QUEUE": "killed"}
    web, first = own_system.web(**queue), own_system.worker(**queue)
    async with await web.connect(alice, seconds=20) as a:
        run_id = (await a.ask("user_message", content="/stream 1000 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        second = own_system.worker(**queue)
        first.kill()
        killed = time.monotonic()
        await a.expect_event("agent_started", attempt=2)
        took = time.monotonic() - killed
        await a.ask("stop_agent", run_id=run_id)
        check_run(await a.whole_run(run_id))
        await a.ping()
        assert [(end["outcome"], end["attempt"]) for end in ends(a, run_id)] == [("cancelled", 2)]
    assert took < TAKEN_OVER_SECONDS
    second.assert_no_traceback()


async def test_a_tool_that_had_started_is_not_called_again(own_system, alice):
    """Row 51: its worker dies; the call is ended as interrupted, and the run goes on without it."""
    queue = {
        "CHATROUTING_QUEUE": "lost",
        "CHATROUTING_LEASE_SECONDS": "2",
        "CHATROUTING_SWEEP_SECONDS": "0.5",
    }
    web, first = own_system.web(**queue), own_system.worker(**queue)
    async with await web.connect(alice, seconds=20) as a:
        run_id = (await a.ask("user_message", content="/slowtool 60"))["payload"]["run_id"]
        await a.expect_event("tool_executing")
        own_system.worker(**queue)
        first.kill()
        events = await a.whole_run(run_id)
    check_run(events)
    assert [e["type"] for e in events] == [
        "agent_started",
        "tool_executing",
        "agent_started",
        "tool_completed",
        "agent_delta",
        "agent_completed",
    ]
    (completed,) = [e["payload"] for e in events if e["type"] == "tool_completed"]
    (end,) = ends(a, run_id)
    assert completed["status"] == "interrupted"
    assert (end["outcome"], end["attempt"]) == ("success", 2)


async def test_a_stopped_worker_hands_its_run_over(own_system, alice):
    """Row 70: SIGTERM cancels nothing; another worker goes on."""
    queue = {"CHATROUTING_QUEUE": "handed"}
    web, first = own_system.web(**queue), own_system.worker(**queue)
    async with await web.connect(alice, seconds=20) as a:
        run_id = (await a.ask("user_message", content="/stream 1000 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        own_system.worker(**queue)
        assert await asyncio.to_thread(first.stop) == 0
        await a.expect_event("agent_started", attempt=2)
        await a.ask("stop_agent", run_id=run_id)
        check_run(await a.whole_run(run_id))
    first.assert_no_traceback()
    assert "ERROR" not in first.output


async def test_a_killed_web_process_leaves_no_connection(own_system, alice):
    """Row 59: its rows are swept by another, once it has not been heard of for its time."""
    short = {
        "CHATROUTING_PROCESS_DEAD_SECONDS": "2",
        "CHATROUTING_PROCESS_HEARTBEAT_SECONDS": "0.5",
    }
    doomed, staying = own_system.web(**short), own_system.web(**short)
    client = await doomed.connect(alice)
    connection_id = client.welcome["connection_id"]
    rows = Connection.objects.filter(pk=connection_id)
    assert await in_database(rows.exists)
    async with await staying.connect(alice):
        doomed.kill()
        await in_database(wait_until, lambda: not rows.exists(), "the sweep", 15)
    await client.close()


async def test_a_stopped_web_process_says_bye_and_cleans_up(own_system, alice):
    """Row 70: `bye` 4200, the close, no row left, and the client resumes on another."""
    own_system.worker()
    leaving, staying = own_system.web(), own_system.web()
    client = await leaving.connect(alice)
    run_id = (await client.ask("user_message", content="/stream 60 20"))["payload"]["run_id"]
    await client.expect_event("agent_delta")
    leaving.process.send_signal(signal.SIGTERM)
    bye = await client.expect_close(4200)
    assert bye["reconnect"] == "resume"
    assert leaving.process.wait(5) == 0
    assert not await in_database(Connection.objects.filter(user_id=alice.user_id).exists)
    async with await staying.connect(alice, since=(client.welcome["epoch"], client.seq)) as back:
        await back.whole_run(run_id)
        check_run(client.of_run(run_id) + back.of_run(run_id))


async def test_a_cut_subscriber_loses_nothing(island, alice):
    """Row 45: the layer's connections are killed until the run is over; the log heals every gap."""
    server, web = island
    valkey = redis.Redis(unix_socket_path=str(server.socket))
    async with await web.connect(alice, seconds=30) as a:
        run_id = (await a.ask("user_message", content="/stream 300 10"))["payload"]["run_id"]
        killed = 0
        while not ends(a, run_id):
            killed += await asyncio.to_thread(valkey.client_kill_filter, _type="pubsub")
            await a.at((await a.ping())["payload"]["seq"])
        check_run(a.of_run(run_id))
        a.check_order()
    valkey.close()
    assert killed > 0


@pytest.fixture
def island(own_database, tmp_path):
    """A web process and a worker on a Valkey and a database of their own; a fault is a line of their logs."""
    own = {"REDIS_URL": valkey_url(Path(tmp_path)), "DATABASE_URL": own_database}
    with EmbeddedValkey(tmp_path) as valkey, System(tmp_path) as started:
        worker = started.worker(**own)
        # Its tests ask again and again: faster than a person may.
        web = started.web(**own, CHATROUTING_MESSAGES_BURST="100000")
        yield valkey, web
        for process in (worker, web):
            process.assert_no_traceback()


async def reload_until_completed(web, alice, run_id):
    """What a client does that was told `recovered: false`: ask how the run stands until it is over."""
    async with await web.connect(alice, seconds=30) as back:
        status = {}
        async with asyncio.timeout(30):
            while status.get("status") != "completed":
                status = (await back.ask("run_status", run_id=run_id))["payload"]
        page = (await back.ask("thread_history", thread_id=status["thread_id"]))["payload"]
    return status, page["messages"][-1]


async def test_a_valkey_that_is_flushed_costs_a_reload_and_nothing_else(island, alice):
    """Row 53: 4203, a new epoch, `recovered: false`; the run ends with its whole text."""
    valkey, web = island
    client = redis.Redis(unix_socket_path=str(valkey.socket))
    async with await web.connect(alice, seconds=30) as a:
        run_id = (await a.ask("user_message", content="/stream 150 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        client.flushall()
        await a.expect_close(4203)
    client.close()
    since = (a.welcome["epoch"], a.seq)
    async with await web.connect(alice, since=since) as back:
        assert back.welcome["recovered"] is False
        assert back.welcome["epoch"] != since[0]
    status, answer = await reload_until_completed(web, alice, run_id)
    assert status["text"] == answer["content"]
    assert answer["content"] == "".join(f"{number} " for number in range(1, 151))


async def test_a_valkey_that_is_killed_and_comes_back_costs_a_reload(island, alice):
    """Row 53: the processes go on without a restart; the run ends with its whole text."""
    valkey, web = island
    async with await web.connect(alice, seconds=30) as a:
        run_id = (await a.ask("user_message", content="/stream 150 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        since = (a.welcome["epoch"], a.seq)
        await asyncio.to_thread(_kill_and_restart, valkey)
    async with await web.connect(alice, since=since, seconds=30) as back:
        assert back.welcome["recovered"] is False
    status, answer = await reload_until_completed(web, alice, run_id)
    assert status["text"] == answer["content"]
    assert answer["content"] == "".join(f"{number} " for number in range(1, 151))


def _kill_and_restart(valkey):
    _kill(valkey)
    valkey.restart()


def _kill(valkey):
    os.kill(valkey.pid, signal.SIGKILL)
    wait_until(lambda: not valkey.alive, "the end of Valkey")


def _hang(valkey):
    os.kill(valkey.pid, signal.SIGSTOP)


def _wake(valkey):
    os.kill(valkey.pid, signal.SIGCONT)


def _restart(valkey):
    valkey.restart()


@pytest.mark.parametrize(("leave", "come_back"), [(_kill, _restart), (_hang, _wake)])
async def test_who_connects_while_valkey_is_away_is_told_to_come_back(
    island, alice, tmp_path, leave, come_back
):
    """Row 53: `bye` and 4103 in bounded time, whether nobody answers there or somebody hangs."""
    valkey, web = island
    leave(valkey)
    try:
        async with asyncio.timeout(REFUSED_SECONDS), await web.open(alice) as refused:
            bye = await refused.expect_close(4103)
        await until(lambda: in_database(_no_connection, tmp_path.name))
    finally:
        await asyncio.to_thread(come_back, valkey)

    assert [frame["type"] for frame in refused.frames] == ["bye"]
    assert bye["reconnect"] == "backoff"
    async with await web.connect(alice) as back:
        assert (await back.ping())["type"] == "pong"


def _no_connection(database):
    try:
        return not Connection.objects.using(database).exists()
    finally:
        connections[database].close()


async def test_what_is_said_while_valkey_is_away_is_accepted_and_told_later(island, alice):
    """Rows 44, 53: committed is accepted; the outbox announces it, the run is made; nothing hangs."""
    valkey, web = island
    async with await web.connect(alice, seconds=30) as a:
        _kill(valkey)
        accepted = await a.ask("user_message", "said", content="/think 1")
        refused = await a.ask("ping", "asked")
        assert_error(refused, "asked", "overloaded", retry_after_ms=2_000)
    assert accepted["payload"]["status"] == "running"
    await asyncio.to_thread(valkey.restart)
    async with await web.connect(alice, seconds=30) as back:
        events = await back.whole_run(accepted["payload"]["run_id"])
        added = await back.expect_event("message_added")
    check_run(events)
    assert added["payload"]["client_id"] == "said"
    assert added["payload"]["message_id"] == accepted["payload"]["message_id"]
