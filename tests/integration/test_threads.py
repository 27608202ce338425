"""Threads as their members see them on their sockets: made, named, given to an agent by name."""

import asyncio

import pytest

from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people
from chatrouting.threads.models import Thread, ThreadMember


@pytest.fixture
async def people(services):
    """An owner and a member."""
    return await in_database(make_people, 2)


async def join(thread_id, person):
    await in_database(ThreadMember.objects.create, thread_id=thread_id, user_id=int(person.user_id))


async def create(client, **payload):
    answer = await client.ask("create_thread", **payload)
    assert answer["type"] == "thread_created", answer
    return answer["payload"]


async def test_a_thread_is_made_seen_everywhere_and_used(web, people):
    """Row 71: a thread made by itself is told to the other sockets and takes messages."""
    alice, _ = people
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        made = await create(a, title="My plans")
        updated = await other.expect_event("thread_updated", thread_id=made["thread_id"])
        said = (await a.ask("user_message", content="hello", thread_id=made["thread_id"]))[
            "payload"
        ]
        await other.whole_run(said["run_id"])
        listed = (await other.ask("list_threads"))["payload"]["threads"]

    told = {"title": "My plans", "updated_at": made["updated_at"]}
    assert made == {"thread_id": made["thread_id"], **told, "duplicate": False}
    assert updated["payload"] == told
    assert said["thread_id"] == made["thread_id"]
    assert [(each["thread_id"], each["title"]) for each in listed] == [
        (made["thread_id"], "My plans")
    ]


async def test_a_repeated_id_makes_one_thread(web, people):
    """Row 23: from two sockets at once, and again later; another payload under the id is refused."""
    alice, _ = people
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        answers = await asyncio.gather(*(c.ask("create_thread", "once") for c in (a, other)))
        again = await a.ask("create_thread", "once")
        misused = await a.ask("create_thread", "once", title="else")

    first, second = sorted((each["payload"] for each in answers), key=lambda p: p["duplicate"])
    assert second == again["payload"] == {**first, "duplicate": True}
    assert first["duplicate"] is False
    assert_error(misused, "once", "invalid_frame", field="id")
    assert await in_database(Thread.objects.filter(owner_id=alice.user_id).count) == 1


async def test_a_member_sees_the_new_title_and_may_not_give_one(web, people):
    """`rename_thread` is the owner's; `thread_updated` is for all members."""
    alice, bob = people
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        made = await create(a, title="old")
        await join(made["thread_id"], bob)
        refused = await b.ask("rename_thread", "r", thread_id=made["thread_id"], title="mine")
        renamed = await a.ask("rename_thread", "r", thread_id=made["thread_id"], title="new")
        updated = await b.expect_event("thread_updated")

    assert_error(refused, "r", "permission_denied")
    assert renamed["type"] == "thread_renamed"
    assert renamed["payload"] == {"thread_id": made["thread_id"], **updated["payload"]}
    assert updated["payload"]["title"] == "new"


async def test_a_title_waits_for_who_is_away(web, people):
    """Row 44: it stands in the stream, and comes once on resume."""
    alice, _ = people
    async with await web.connect(alice) as a:
        made = await create(a, title="old")
        await a.expect_event("thread_updated")
        since = (a.welcome["epoch"], a.seq)
        await a.ask("rename_thread", thread_id=made["thread_id"], title="new")
    async with await web.connect(alice, since=since) as back:
        await back.expect_event("thread_updated", title="new")
        await back.assert_silent()


async def test_an_agent_is_started_by_name(web, people):
    """`start_agent` is answered as `user_message` is, and once."""
    alice, _ = people
    async with await web.connect(alice) as a:
        started = await a.ask("start_agent", "go", agent="demo", content="/think 1")
        events = await a.whole_run(started["payload"]["run_id"])
        again = await a.ask("start_agent", "go", agent="demo", content="/think 1")

    check_run(events)
    assert started["type"] == "message_accepted"
    assert events[0]["payload"]["agent"] == "demo"
    assert again["payload"] == {**started["payload"], "duplicate": True}
