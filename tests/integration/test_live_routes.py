"""Routes that come and go on a running server, types that are switched off, and what is counted of it all."""

import asyncio
import uuid

import pytest

from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import make_people
from tests.conftest import webs

ROUTED = "chatrouting_messages_routed_total"


@pytest.fixture(scope="module")
def closed(system):
    """As `web`, with a feature switched off."""
    return webs(system, CHATROUTING_DISABLED_TYPES="user_message,user_typing")


async def served(client):
    return (await client.ask("test.serve"))["payload"]["by"]


async def test_a_route_with_a_higher_priority_serves_from_the_next_message_until_it_is_removed(
    lab, alice
):
    """Rows 28, 29, 30, 31: at equal priority the first; the next best answers when it is gone."""
    for process in lab.processes:
        name = f"better-{uuid.uuid4()}"
        before = process.counted(ROUTED, type="test.serve")
        async with await process.connect(alice) as a:
            assert await served(a) == "first"
            count = (await a.ask("test.add", by="equal", priority=0))["payload"]["routes"]
            assert await served(a) == "first"
            await a.ask("test.add", by=name, priority=5)
            assert await served(a) == name
            await a.ask("test.drop", by=name)
            assert await served(a) == "first"
            left = await a.ask("test.drop", by="equal")

            assert left["payload"] == {"routes": count - 1, "late": 0, "refused": None}
        assert process.counted(ROUTED, type="test.serve") == before + 4


async def test_a_type_of_the_project_may_be_served_by_another_handler(lab):
    """Row 28: for whom its condition accepts, until it is removed."""
    alice, bob = await in_database(make_people, 2)
    for process in lab.processes:
        async with await process.connect(alice) as a, await process.connect(bob) as b:
            await a.ask("test.take_over", on=True)
            taken, others = await a.ask("list_threads"), await b.ask("list_threads")
            await a.ask("test.take_over", on=False)
            left = await a.ask("list_threads")

        kinds = [answer["type"] for answer in (taken, others, left)]
        assert kinds == ["test.served", "thread_list", "thread_list"]


async def test_the_best_route_that_accepts_serves(lab):
    """Row 30: a route may carry a condition."""
    alice, bob = await in_database(make_people, 2)
    name = f"hers-{uuid.uuid4()}"
    process = lab.processes[-1]
    async with await process.connect(alice) as a, await process.connect(bob) as b:
        await a.ask("test.add", by=name, priority=9, only_for=a.welcome["user_id"])

        assert (await served(a), await served(b)) == (name, "first")
        await a.ask("test.drop", by=name)
        assert await served(a) == "first"


async def test_removing_an_unknown_route_is_refused_and_changes_nothing(lab, alice):
    """Row 31: the error names what was asked for and what there is."""
    async with await lab.connect(alice) as a:
        before = (await a.ask("test.churn", times=0))["payload"]["routes"]
        answer = (await a.ask("test.drop", by="nobody"))["payload"]

        assert answer["routes"] == before
        assert "no route of 'test.serve'" in answer["refused"]
        assert await served(a) == "first"


async def test_a_thousand_changes_under_load_lose_and_double_nothing(lab):
    """Rows 31, 34, 37: every message is answered once, none by a removed route; the counts are exact."""
    people = await in_database(make_people, len(lab.processes))
    there = list(zip(lab.processes, people, strict=True))
    sockets = [await process.connect(person) for process, person in there for _ in range(3)]
    changers = [await process.connect(person) for process, person in there]
    routes = [await changed_by(changer, times=0) for changer in changers]
    before = lab.counted(ROUTED, type="test.serve")
    churning = asyncio.gather(*(changed_by(changer, times=1_000) for changer in changers))
    answers = await asyncio.gather(*(ask_until(socket, churning) for socket in sockets))

    assert await churning == routes
    assert {by for each in answers for by in each} <= {"first", "passing"}
    asked = sum(len(each) for each in answers)
    assert sum(len(socket.answers()) for socket in sockets) == asked
    assert lab.counted(ROUTED, type="test.serve") == before + asked
    for socket in (*sockets, *changers):
        await socket.close()


async def changed_by(client, times):
    """Let a route come and go in its process: how many there are then, how many messages came too late."""
    return (await client.ask("test.churn", times=times))["payload"]


async def ask_until(client, task):
    """Ask at least 10 times, and on while the task is at work, at most 25 times in all."""
    found = []
    while len(found) < 10 or (not task.done() and len(found) < 25):
        found.append(await served(client))
    return found


async def test_a_type_that_is_switched_off_is_an_explicit_error(closed, alice):
    """Row 39: under its alias as well; nothing is started, other types are served."""
    async with await closed.connect(alice) as a:
        for kind in ("user_message", "chat"):
            answer = await a.ask(kind, content="hello")
            assert_error(answer, answer["id"], "permission_denied", received_type=kind)
        typing = await a.ask("user_typing", "t", thread_id=str(uuid.uuid4()), is_typing=True)
        assert_error(typing, "t", "permission_denied", received_type="user_typing")
        assert (await a.ask("list_threads"))["payload"]["threads"] == []
        await a.assert_silent()


async def test_every_outcome_is_counted_once(unbroken, lab):
    """Rows 27, 34, 37: 5 people and 10 messages each; unknown types and failures apart from them."""
    people = await in_database(make_people, 5)
    unhandled, failed = "chatrouting_messages_unhandled_total", "chatrouting_messages_failed_total"
    before = [lab.counted(ROUTED, type="ping"), lab.counted(unhandled)]
    fails = lab.counted(failed, type="test.fail")
    sockets = [await lab.connect(person) for person in people]
    await asyncio.gather(*(say_ten(socket) for socket in sockets))

    assert lab.counted(ROUTED, type="ping") == before[0] + 50
    assert lab.counted(unhandled) == before[1] + 5
    assert lab.counted(failed, type="test.fail") == fails + 5
    for socket in sockets:
        await socket.close()


async def say_ten(client):
    for _ in range(10):
        assert (await client.ask("ping"))["type"] == "pong"
    assert_error(await client.ask("nonsense", "x"), "x", "unknown_type", received_type="nonsense")
    assert_error(await client.ask("test.fail", "y"), "y", "internal")


async def test_a_message_that_names_another_user_is_refused_and_counted(web):
    """Row 22: in the payload or beside it; it never acts as that user."""
    alice, bob = await in_database(make_people, 2)
    name = "chatrouting_messages_forged_total"
    before = web.counted(name)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        payload = await a.ask("user_message", "x", content="hi", user_id=b.welcome["user_id"])
        frame = await a.answer_to('{"type":"ping","id":"y","user":"bob"}')

        assert_error(payload, "x", "invalid_payload", field="payload.user_id")
        assert_error(frame, "y", "invalid_frame", field="user")
        await b.assert_silent()
    assert web.counted(name) == before + 2


async def test_an_answer_that_cannot_be_sent_is_no_success(lab):
    """Rows 38, 63: the socket is gone before its handler is done, and another goes on."""
    alice, bob = await in_database(make_people, 2)
    gate = f"gate-{uuid.uuid4()}"
    unsent = "chatrouting_messages_unsent_total"
    before = lab.counted(ROUTED, type="test.wait"), lab.counted(unsent, type="test.wait")
    async with await lab.connect(bob) as b:
        a = await lab.connect(alice)
        await a.say("test.wait", gate=gate)
        await until(lambda: waiting(b, gate), 1)
        opened = lab.counted("chatrouting_connections_active")
        await a.drop()
        await until(lambda: count(lab, "chatrouting_connections_active"), opened - 1)
        await b.ask("test.open", gate=gate)
        await until(lambda: count(lab, unsent, type="test.wait"), before[1] + 1)

    assert lab.counted(ROUTED, type="test.wait") == before[0]


async def waiting(client, gate):
    return (await client.ask("test.waiting", gate=gate))["payload"]["count"]


async def count(web, name, **labels):
    return web.counted(name, **labels)


async def until(look, value):
    async with asyncio.timeout(8):
        while await look() != value:  # noqa: ASYNC110 - reason: a counter tells of no such moment
            await asyncio.sleep(0.02)
