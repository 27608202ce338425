"""A thread that its owner deletes, as everybody sees it: the ends of its runs, then its own, then nothing."""

import asyncio

import pytest

from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people
from chatrouting.testing.system import wait_until
from chatrouting.threads.models import Thread, ThreadMember


@pytest.fixture
async def people(services):
    """An owner and a member."""
    return await in_database(make_people, 2)


async def shared_thread(client, member):
    """A thread of whose socket this is, with a member."""
    thread_id = (await client.ask("create_thread", title="shared"))["payload"]["thread_id"]
    await in_database(ThreadMember.objects.create, thread_id=thread_id, user_id=int(member.user_id))
    return thread_id


async def say(client, thread_id, content):
    accepted = await client.ask("user_message", content=content, thread_id=thread_id)
    assert accepted["type"] == "message_accepted", accepted
    return accepted["payload"]["run_id"]


def check_farewell(client, thread_id, runs):
    """Each run has its one end, cancelled; `thread_removed` comes after all of them, and last."""
    events = [event for event in client.events if event.get("thread_id") == thread_id]
    assert [event["type"] for event in events].count("thread_removed") == 1
    assert events[-1]["type"] == "thread_removed"
    for run_id in runs:
        check_run(client.of_run(run_id))
        assert client.of_run(run_id)[-1]["payload"]["outcome"] == "cancelled"
    client.check_order()


async def test_a_thread_with_a_running_and_queued_runs_is_deleted(web, people):
    """A member at their socket and one who is away see the same; nothing follows, nothing is left."""
    alice, bob = people
    async with await web.connect(alice) as a:
        async with await web.connect(bob) as b:
            since = (b.welcome["epoch"], b.welcome["seq"])
            thread_id = await shared_thread(a, bob)
            runs = [await say(a, thread_id, "/stream 5000 20")]
            await a.expect_event("agent_delta")
            runs += [await say(a, thread_id, "/think 1") for _ in range(2)]
            await b.expect_event("run_queued", run_id=runs[-1])
        deleted = await a.ask("delete_thread", "bye", thread_id=thread_id)
        refused = await a.ask("user_message", "late", content="late", thread_id=thread_id)
        await a.expect_event("thread_removed", thread_id=thread_id)
        listed = (await a.ask("list_threads"))["payload"]["threads"]
    async with await web.connect(bob, since=since) as back:
        await back.expect_event("thread_removed", thread_id=thread_id)
        await back.assert_silent()

        check_farewell(a, thread_id, runs)
        check_farewell(back, thread_id, runs)
    assert (deleted["type"], deleted["payload"]["title"]) == ("thread_deleted", "shared")
    assert_error(refused, "late", "not_found")
    assert listed == []
    await in_database(
        wait_until, lambda: not Thread.objects.filter(pk=thread_id).exists(), "the rows to go"
    )


async def test_a_member_may_not_delete(web, people):
    """`permission_denied` to a member; the thread and its run go on."""
    alice, bob = people
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        thread_id = await shared_thread(a, bob)
        refused = await b.ask("delete_thread", "no", thread_id=thread_id)
        run_id = await say(b, thread_id, "/think 1")
        events = await a.whole_run(run_id)

    assert_error(refused, "no", "permission_denied")
    assert events[-1]["payload"]["outcome"] == "success"


async def speak(client, thread_id, count):
    """Say so many things without waiting; the answers."""
    said = [
        await client.say("user_message", content="/stream 50 20", thread_id=thread_id)
        for _ in range(count)
    ]
    return [await client.reply(id) for id in said]


async def test_many_who_speak_while_the_thread_is_deleted(web, people):
    """Whatever was accepted has its end before `thread_removed`; the rest is `not_found`."""
    alice, bob = people
    async with (
        await web.connect(alice) as a,
        await web.connect(alice) as other,
        await web.connect(bob) as b,
    ):
        thread_id = await shared_thread(a, bob)
        first = await say(a, thread_id, "/stream 5000 20")
        answers, _, others = await asyncio.gather(
            speak(other, thread_id, 4),
            a.ask("delete_thread", thread_id=thread_id),
            speak(b, thread_id, 4),
        )
        accepted = [each for each in answers + others if each["type"] == "message_accepted"]
        runs = [first, *(each["payload"]["run_id"] for each in accepted)]
        for client in (a, b):
            await client.expect_event("thread_removed", thread_id=thread_id)
            await client.assert_silent()
            check_farewell(client, thread_id, runs)
    refused = [each for each in answers + others if each["type"] == "error"]
    assert {each["payload"]["code"] for each in refused} <= {"not_found"}
    assert len(accepted) + len(refused) == 8
