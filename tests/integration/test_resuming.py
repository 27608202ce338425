"""Coming back with a position: exactly what was missed, or the plain word that it cannot be had."""

import asyncio

import pytest

from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people


def position(client):
    return client.welcome["epoch"], client.seq


async def run_to_end(client, content):
    accepted = await client.ask("user_message", content=content)
    return await client.whole_run(accepted["payload"]["run_id"])


async def test_without_a_position_nothing_is_replayed(web, alice):
    """Row 1: `recovered` is null and the stream begins where it stands."""
    async with await web.connect(alice) as a:
        await run_to_end(a, "/think 1")
    async with await web.connect(alice) as again:
        await again.assert_silent()
        assert again.welcome["recovered"] is None
        assert again.welcome["seq"] == a.seq


async def test_exactly_the_missed_events_come_once(web, alice):
    """Rows 45, 66: in order, right after the welcome, and the same bytes another device had."""
    async with await web.connect(alice) as stayed:
        async with await web.connect(alice) as left:
            await run_to_end(left, "/think 1")
        since = position(left)
        await run_to_end(stayed, "/stream 10 2")
        async with await web.connect(alice, since=since) as back:
            await back.at(stayed.seq)
            await back.ping()
            back.check_order()
            assert back.welcome["recovered"] is True
            assert back.events == [event for event in stayed.events if event["seq"] > since[1]]


async def test_a_socket_dropped_in_mid_run_misses_nothing(web, alice):
    """Rows 65, 67, 69: the run goes on; what came before and after the drop joins without a seam."""
    first = await web.connect(alice)
    accepted = await first.ask("user_message", content="/stream 60 10")
    run_id = accepted["payload"]["run_id"]
    await first.expect_event("agent_delta")
    await first.drop()
    async with await web.connect(alice, since=position(first)) as back:
        await back.whole_run(run_id)
        joined = first.of_run(run_id) + back.of_run(run_id)
        check_run(joined)
        seqs = [event["seq"] for event in joined]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_many_drops_join_without_a_seam(web, alice):
    """Row 45: twenty drops through one run; every event once, in order."""
    client = await web.connect(alice)
    accepted = await client.ask("user_message", content="/stream 1000 10")
    run_id, seen = accepted["payload"]["run_id"], []
    for _ in range(20):
        await client.at(client.seq + 1)
        await client.drop()
        seen += client.events
        client = await web.connect(alice, since=position(client))
    # Until here it was at work, however slow the drops were.
    await client.ask("stop_agent", run_id=run_id)
    await client.whole_run(run_id)
    seen += client.events
    await client.close()
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    check_run([event for event in seen if event["type"] != "message_added"])


@pytest.mark.parametrize(
    "since",
    [("another-epoch", 0), ("", 0), ("%00", 3)],
    ids=["another epoch", "no epoch", "odd text"],
)
async def test_a_position_of_no_stream_is_not_served(web, alice, since):
    """Row 46: `recovered: false`, and nothing of the past."""
    async with await web.connect(alice) as a:
        await run_to_end(a, "/think 1")
    async with await web.connect(alice, since=since) as back:
        assert back.welcome["recovered"] is False
        await back.assert_silent()


async def test_a_position_ahead_of_the_top_is_not_served(web, alice):
    """Row 46: somebody lost a tail; the client reloads."""
    async with await web.connect(alice) as a:
        await run_to_end(a, "/think 1")
    epoch, seq = position(a)
    async with await web.connect(alice, since=(epoch, seq + 5)) as back:
        assert back.welcome["recovered"] is False
        assert back.welcome["seq"] == seq


async def test_a_position_older_than_what_is_kept_is_not_served(system, alice):
    """Row 46: never a part of it; and it is counted."""
    settings = {"CHATROUTING_STREAM_EVENTS": "50", "CHATROUTING_QUEUE": "forgetful"}
    system.worker(**settings)
    web = system.web(**settings)
    async with await web.connect(alice) as a:
        since = position(a)
        await run_to_end(a, "/think 300")
    async with await web.connect(alice, since=since) as back:
        assert back.welcome["recovered"] is False
        await back.assert_silent()
    assert web.counted("chatrouting_resumes_total", recovered="false") == 1


async def test_a_position_of_another_user_says_nothing(web):
    """Row 68: bob's own stream decides; nothing of alice's reaches him."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a:
        begin = (a.welcome["epoch"], 0)
        await run_to_end(a, "/think 1")
    async with await web.connect(bob, since=begin) as b:
        assert b.welcome["recovered"] is False
        assert b.welcome["epoch"] != begin[0]
        await b.assert_silent()


async def test_a_new_socket_joins_a_run_by_its_status(web, alice):
    """Row 65: without a position, `run_status` has the text so far, true at `seq`; the rest follows."""
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/stream 80 10")
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("agent_delta")
        async with await web.connect(alice) as late:
            status = (await late.ask("run_status", run_id=run_id))["payload"]
            events = await late.whole_run(run_id)
        told = {name: status[name] for name in ("run_id", "status", "agent", "attempt")}
        assert told == {"run_id": run_id, "status": "running", "agent": "demo", "attempt": 1}
        text = status["text"]
        for event in events:
            if event["type"] == "agent_delta" and event["seq"] > status["seq"]:
                assert event["payload"]["position"] == len(text)
                text += event["payload"]["text"]
        assert text == events[-1]["payload"]["content"]


async def test_a_run_that_ended_while_its_user_was_away_is_there(web, worker, alice):
    """Row 67: history and `run_status` have the whole answer."""
    async with await web.connect(alice) as a:
        accepted = (await a.ask("user_message", content="/stream 30 5"))["payload"]
        await a.drop()
    async with await web.connect(alice) as back:
        status = {}
        async with asyncio.timeout(10):
            while status.get("status") != "completed":
                status = (await back.ask("run_status", run_id=accepted["run_id"]))["payload"]
        page = (await back.ask("thread_history", thread_id=accepted["thread_id"]))["payload"]
    answer = page["messages"][-1]
    assert status["outcome"] == answer["outcome"] == "success"
    assert status["text"] == answer["content"]
    assert answer["content"].split()[-1] == "30"
    assert answer["run_id"] == accepted["run_id"]
