"""Several people in one thread, on real processes."""

import asyncio

import pytest
from django.db import transaction

from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.threads import membership
from tests.integration.sharing import add, connected, remove, shared_thread, sharing_people


@pytest.fixture
async def people(services):
    return await in_database(sharing_people, 3)


def of_thread(client, thread_id):
    return [event for event in client.events if event.get("thread_id") == thread_id]


async def test_two_members_see_one_run_once_and_in_order(web, people):
    """Rows 75, 92: every event of the thread reaches both; the stranger sees nothing."""
    alice, bob, carol = people
    async with connected(web, alice, bob, carol) as (a, b, stranger):
        thread_id = await shared_thread(a, bob)
        accepted = await a.ask("user_message", content="/stream 20 5", thread_id=thread_id)
        run_id = accepted["payload"]["run_id"]
        for client in (a, b):
            check_run(await client.whole_run(run_id))
            client.check_order()
        seen = [[each["payload"] for each in client.of_run(run_id)] for client in (a, b)]
        assert seen[0] == seen[1]
        await stranger.assert_silent()


async def test_a_member_writes_and_all_see_who_it_was(web, people):
    """Row 41: the id it came with is told to its author alone; the reply goes to their socket alone."""
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a, bob)
        accepted = await b.ask("user_message", "mine", content="/think 1", thread_id=thread_id)
        run_id = accepted["payload"]["run_id"]
        await a.whole_run(run_id)
        await b.whole_run(run_id)
        added = await b.expect_event("message_added", content="/think 1")
        assert added["payload"]["client_id"] == "mine"
        added = await a.expect_event("message_added", content="/think 1")
        assert added["payload"]["author"] == {"user_id": bob.user_id, "name": bob.name}
        assert "client_id" not in added["payload"]
        assert a.answers("mine") == []


async def test_a_member_stops_a_run_of_the_thread(web, people):
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a, bob)
        accepted = await a.ask("user_message", content="/stream 500 20", thread_id=thread_id)
        run_id = accepted["payload"]["run_id"]
        await b.expect_event("agent_delta", run_id=run_id)
        await b.ask("stop_agent", run_id=run_id)
        for client in (a, b):
            end = (await client.whole_run(run_id))[-1]
            assert end["payload"]["outcome"] == "cancelled"


async def test_a_removed_member_gets_nothing_more_while_a_run_streams(web, people):
    """Row 75: `thread_removed` is the last they hear, at once; the others go on."""
    alice, bob, carol = people
    async with connected(web, alice, bob, carol) as (a, b, c):
        thread_id = await shared_thread(a, bob, carol)
        accepted = await a.ask("user_message", content="/stream 150 10", thread_id=thread_id)
        run_id = accepted["payload"]["run_id"]
        await b.expect_event("agent_delta", run_id=run_id)
        await remove(a, thread_id, bob)
        top = (await b.ping())["payload"]["seq"]
        for client in (a, c):
            check_run(await client.whole_run(run_id))
            await client.expect_event("members_changed")
        await b.ping()
        assert of_thread(b, thread_id)[-1]["type"] == "thread_removed"
        assert b.events[-1]["seq"] == top
        answer = await b.ask("thread_history", thread_id=thread_id)
        assert answer["payload"]["code"] == "not_found"


async def test_who_joins_while_a_run_streams_sees_the_rest_and_its_end(web, people):
    """Row 75: within a second or so; `run_status` has what came before."""
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a)
        accepted = await a.ask("user_message", content="/stream 250 10", thread_id=thread_id)
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("agent_delta", run_id=run_id)
        await add(a, thread_id, bob)
        status = (await b.ask("run_status", run_id=run_id))["payload"]
        assert status["text"] and status["status"] == "running"
        first = await b.expect_event("agent_delta", run_id=run_id)
        status = (await b.ask("run_status", run_id=run_id))["payload"]
        assert len(status["text"]) > first["payload"]["position"]
        whole = (await a.whole_run(run_id))[-1]["payload"]["content"]
        deltas = [each for each in await b.whole_run(run_id) if each["type"] == "agent_delta"]
        text = whole[: first["payload"]["position"]]
        assert whole == text + "".join(each["payload"]["text"] for each in deltas)
        b.check_order()


async def test_a_new_member_reads_what_was_said_before(web, people):
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a, bob)
        told = await b.expect_event("members_changed", thread_id=thread_id)
        assert [each["name"] for each in told["payload"]["members"]] == [alice.name, bob.name]
        history = await b.ask("thread_history", thread_id=thread_id)
        assert [each["role"] for each in history["payload"]["messages"]] == ["user", "agent"]
        listed = (await b.ask("list_threads"))["payload"]["threads"]
        assert [each["thread_id"] for each in listed] == [thread_id]


async def test_a_member_leaves_and_is_a_stranger_then(web, people):
    """Row 80: to them the thread looks like one that never was."""
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a, bob)
        await remove(b, thread_id, bob)
        await a.expect_event("members_changed")
        await b.expect_event("thread_removed", thread_id=thread_id)
        for kind in ("remove_member", "add_member"):
            answer = await b.ask(kind, thread_id=thread_id, username=bob.name)
            assert answer["payload"]["code"] == "not_found"


async def test_what_a_killed_process_kept_back_a_worker_tells(web, people):
    """Row 75: the change was committed and nobody was told; the sweep does it."""
    alice, bob, _ = people

    def removed_quietly():
        with transaction.atomic():
            membership.remove(alice.user_id, thread_id, bob.name)

    async with await web.connect(alice) as a, await web.connect(bob, seconds=20) as b:
        thread_id = await shared_thread(a, bob)
        await in_database(removed_quietly)
        await b.expect_event("thread_removed", thread_id=thread_id)


async def test_typing_reaches_the_others_and_ones_own_other_sockets(web, people):
    """Row 78: never the sender, never a stranger, and it is not stored."""
    alice, bob, carol = people
    async with connected(web, alice, alice, bob, carol) as (a, tablet, b, stranger):
        thread_id = await shared_thread(a, bob)
        tops = [(await client.ping())["payload"]["seq"] for client in (a, b)]
        noted = await a.ask("user_typing", thread_id=thread_id, is_typing=True)
        assert (noted["type"], noted["payload"]) == ("typing_noted", {})
        shown = {"thread_id": thread_id, "user_id": alice.user_id, "name": alice.name}
        for client in (tablet, b):
            signal = await client.expect_signal("typing")
            assert signal["payload"] == {**shown, "is_typing": True}
        await asyncio.gather(a.ping(), stranger.ping())
        for client in (a, stranger):
            assert client.signals("typing") == []
        assert [(await client.ping())["payload"]["seq"] for client in (a, b)] == tops


async def test_a_removed_member_sees_nobody_type(web, people):
    """Rows 75, 78: and cannot be seen typing."""
    alice, bob, _ = people
    async with connected(web, alice, bob) as (a, b):
        thread_id = await shared_thread(a, bob)
        await remove(a, thread_id, bob)
        await a.ask("user_typing", thread_id=thread_id, is_typing=True)
        answer = await b.ask("user_typing", thread_id=thread_id, is_typing=True)
        assert answer["payload"]["code"] == "not_found"
        assert b.signals("typing") == []
