"""Events reach all sockets of their user, once each and in order; replies only the one that asked."""

import asyncio

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people, make_person
from tests.agents.waiting import until
from tests.faults.mute import Mute


async def test_all_sockets_of_a_user_see_the_same_events(web):
    """Rows 40, 69: three devices, every event once on each, in one order."""
    alice = await in_database(make_person, "alice")
    clients = [await web.connect(alice) for _ in range(3)]
    try:
        accepted = await clients[0].ask("user_message", content="/stream 20 5")
        runs = [await client.whole_run(accepted["payload"]["run_id"]) for client in clients]
        assert runs[0] == runs[1] == runs[2]
        for client in clients:
            await client.ping()
            client.check_order()
            assert client.events == clients[0].events
    finally:
        for client in clients:
            await client.close()


async def test_a_reply_goes_to_the_asking_socket_alone(web):
    """Row 41: the other socket of the same user gets the events and no reply."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        accepted = await a.ask("user_message", "mine", content="/think 1")
        await other.whole_run(accepted["payload"]["run_id"])
        assert other.answers("mine") == []
        assert len(a.answers("mine")) == 1


async def test_only_the_author_is_told_the_id_of_their_message(web):
    """Row 40: `message_added` names it, with who said it and what."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        accepted = await a.ask("user_message", "mine", content="hello")
        added = await other.expect_event("message_added")
        assert added["payload"] == {
            "message_id": accepted["payload"]["message_id"],
            "role": "user",
            "author": {"user_id": alice.user_id, "name": alice.name},
            "content": "hello",
            "client_id": "mine",
        }


async def test_two_web_processes_serve_one_user(web, system):
    """Rows 40, 119: said on one, seen on the other, the same events in the same order."""
    second = system.web()
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a, await second.connect(alice) as b:
        accepted = await a.ask("user_message", content="/stream 20 5")
        run_id = accepted["payload"]["run_id"]
        assert await a.whole_run(run_id) == await b.whole_run(run_id)


async def test_a_dead_socket_disturbs_no_other_and_is_removed(brisk, worker):
    """Row 42: one of three reads and says nothing; the other two receive, and its row goes."""
    alice = await in_database(make_person, "alice")
    async with (
        await brisk.connect(alice) as a,
        await brisk.connect(alice) as b,
        Mute(brisk, alice) as dead,
    ):
        rows = Connection.objects.filter(pk=dead.frames[0]["payload"]["connection_id"])
        assert await in_database(rows.exists)
        accepted = await a.ask("user_message", content="/stream 10 5")
        for client in (a, b):
            check_run(await client.whole_run(accepted["payload"]["run_id"]))
            client.check_order()

        async def removed():
            await asyncio.gather(a.ask("heartbeat"), b.ask("heartbeat"))
            return not await in_database(rows.all().exists)

        await until(removed, pause=0.1)


async def test_one_user_sees_nothing_of_another(web):
    """Row 92: not one event of a run reaches somebody who is connected at the same time."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        accepted = await a.ask("user_message", content="/stream 20 5")
        await a.whole_run(accepted["payload"]["run_id"])
        await b.assert_silent()


async def test_enums_dates_and_ids_are_plain_json(web):
    """Row 54: what a tool returns besides plain values is serialised, or ends its call with an error."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content='/tool clock {"zone": "Europe/Paris"}')
        events = await a.whole_run(accepted["payload"]["run_id"])
    (completed,) = [each["payload"] for each in events if each["type"] == "tool_completed"]
    assert completed["status"] == "ok"
    assert isinstance(completed["result"], str)


async def test_a_repeated_message_does_its_work_once(web):
    """Row 23: the second answer equals the first, with `duplicate`; there is one run."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        first = await a.ask("user_message", "same", content="/think 1")
        second = await a.ask("user_message", "same", content="/think 1")
        await a.whole_run(first["payload"]["run_id"])
        await a.ping()
        assert second["payload"] == {**first["payload"], "duplicate": True}
        assert [each["type"] for each in a.events].count("message_added") == 1


async def test_the_same_id_at_once_from_two_sockets_does_its_work_once(web, system):
    """Row 23: on two processes at the same time; one is the first, the other is told so."""
    second = system.web()
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a, await second.connect(alice) as b:
        answers = await asyncio.gather(
            a.ask("user_message", "same", content="/think 1"),
            b.ask("user_message", "same", content="/think 1"),
        )
        told = [answer["payload"] for answer in answers]
        assert sorted(each["duplicate"] for each in told) == [False, True]
        assert told[0]["run_id"] == told[1]["run_id"]


async def test_a_repeated_message_is_known_after_a_restart(system):
    """Row 23: the receipt is in the database, not in the process."""
    web = system.web()
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        first = await a.ask("user_message", "same", content="/think 1")
    web.kill()
    again = system.web(web.port)
    async with await again.connect(alice) as a:
        second = await a.ask("user_message", "same", content="/think 1")
    assert second["payload"] == {**first["payload"], "duplicate": True}


async def test_an_id_used_for_another_message_is_refused(web):
    """Row 23: the same id with another payload is `invalid_frame`, field `id`, and does nothing."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        first = await a.ask("user_message", "same", content="/think 1")
        error = (await a.ask("user_message", "same", content="/think 2"))["payload"]
        await a.whole_run(first["payload"]["run_id"])
        await a.ping()
        assert (error["code"], error["field"]) == ("invalid_frame", "id")
        assert [each["type"] for each in a.events].count("message_added") == 1
