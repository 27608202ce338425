"""Is the other side there; and coming back."""

import asyncio
import random

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.people import make_people
from chatrouting.testing.system import wait_until
from tests.agents.waiting import until


async def test_a_ping_is_answered_with_the_top_of_the_stream(web, alice):
    """Row 56: pong under the same id; five in a row leave the connection open."""
    async with await web.connect(alice) as a:
        for number in range(5):
            pong = await a.ask("ping", f"ping-{number}", ack=a.seq)
            assert pong == {"type": "pong", "id": f"ping-{number}", "payload": {"seq": 0}}
        accepted = await a.ask("user_message", content="/think 1")
        events = await a.whole_run(accepted["payload"]["run_id"])
        assert (await a.ping())["payload"] == {"seq": events[-1]["seq"]}


async def test_a_heartbeat_is_acknowledged(web, alice):
    """Row 56: under the same id; five in a row leave the connection open."""
    async with await web.connect(alice) as a:
        for number in range(5):
            ack = await a.ask("heartbeat", f"beat-{number}")
            assert ack == {"type": "heartbeat_ack", "id": f"beat-{number}", "payload": {}}
        await a.assert_silent()


async def test_coming_back_makes_a_new_connection(web, alice):
    """Row 64: another id; routing works at once; both are counted."""
    before = web.counted("chatrouting_connections_opened_total")
    rows = Connection.objects.filter(user_id=alice.user_id)
    async with await web.connect(alice) as first:
        pass
    async with await web.connect(alice) as second:
        answer = await second.ask("list_threads")
        assert answer["payload"] == {"threads": [], "more": False}
        assert second.welcome["connection_id"] != first.welcome["connection_id"]
        await in_database(wait_until, lambda: rows.count() == 1, "the end of the first's row")
        assert str((await in_database(rows.get)).pk) == second.welcome["connection_id"]
    assert web.counted("chatrouting_connections_opened_total") == before + 2


async def test_after_the_last_connection_nothing_of_the_user_is_left(web, alice):
    """Row 60: no row of theirs; the counter of open sockets is where it was."""
    before = web.counted("chatrouting_connections_active")
    clients = [await web.connect(alice) for _ in range(3)]
    assert web.counted("chatrouting_connections_active") == before + 3
    for client in clients:
        await client.close()
    rows = Connection.objects.filter(user_id=alice.user_id)
    await in_database(wait_until, lambda: not rows.exists(), "the end of the rows")
    await in_database(
        wait_until,
        lambda: web.counted("chatrouting_connections_active") == before,
        "the counter",
    )


async def rows_of(*people):
    """The ids of the connections these have in the database."""
    ids = [person.user_id for person in people]
    found = Connection.objects.filter(user_id__in=ids).values_list("pk", flat=True)
    return {str(pk) for pk in await in_database(list, found)}


async def test_a_peer_that_is_dead_is_removed(brisk, alice):
    """Row 57: it reads nothing and says nothing; within two heartbeats it is gone, and the other stays."""
    dead, loop = await brisk.connect(alice), asyncio.get_running_loop()
    heartbeat = dead.welcome["heartbeat_seconds"]
    heard_at = loop.time()
    await dead.ask("heartbeat")
    dead._socket.transport.pause_reading()  # as a machine without power: not even a close is heard
    async with await brisk.connect(alice) as living:
        rows = Connection.objects.filter(pk=dead.welcome["connection_id"])

        async def removed():
            await living.ask("heartbeat")
            return not await in_database(rows.exists)

        await until(removed, pause=0.1)
        silent = loop.time() - heard_at
        assert await rows_of(alice) == {living.welcome["connection_id"]}
    await dead.drop()
    assert 2 * heartbeat < silent < 2 * heartbeat + 1


async def test_a_hundred_drops_leave_no_ghost_and_disturb_nobody(system, worker):
    """Rows 59, 61: closed or dropped in any order; the others' rows and sockets are as they were."""
    web = system.web(
        CHATROUTING_HANDSHAKES_PER_MINUTE="1000", CHATROUTING_CONNECTIONS_PER_ADDRESS="1000"
    )
    leaving = await in_database(make_people, 10)
    staying = await in_database(make_people, 2)
    chance = random.Random(59)
    stayed = [await web.connect(person) for person in staying]
    before = await rows_of(*staying)
    clients = []
    for _ in range(10):
        clients += await asyncio.gather(*(web.connect(person) for person in leaving))
    chance.shuffle(clients)
    for client in clients:
        await (client.drop() if chance.random() < 0.8 else client.close())
    await in_database(
        wait_until, lambda: web.counted("chatrouting_connections_active") == 2, "no ghost"
    )

    theirs = Connection.objects.filter(user_id__in=[person.user_id for person in leaving])
    await in_database(wait_until, lambda: not theirs.all().exists(), "the end of their rows")
    assert await rows_of(*staying) == before
    for client in stayed:
        assert (await client.ping())["type"] == "pong"
        await client.close()
