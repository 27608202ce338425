"""What a process holds is flat: many messages and many connections leave nothing behind."""

import asyncio

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.people import make_person

COUNTING_ROUTES = "tests.routes_of_objects.router"
MESSAGES, RECONNECTS = 200, 50
PER_THREAD = {"DatabaseWrapper"}  # a database thread begins when it is first needed, and has one
# Of 180 000 of any kind, as libraries keep and drop them; of our own none is spare.
SPARE_OBJECTS = 10_000


async def used(web, person, messages, reconnects):
    """Normal use: messages of several kinds, and connections that come and go."""
    async with await web.connect(person) as client:
        for number in range(messages // 2):
            kinds = ("ping", "list_threads", "heartbeat")
            answer = await client.ask(kinds[number % 3])
            assert answer["type"] != "error", answer
    for _ in range(reconnects):
        async with await web.connect(person) as client:
            for _ in range(messages // 2 // reconnects):
                assert (await client.ping())["type"] == "pong"
    async with await web.connect(person) as client:
        accepted = await client.ask("user_message", content="/think 1")
        await client.whole_run(accepted["payload"]["run_id"])


async def counted(client):
    """What is alive in the process."""
    return (await client.ask("test.objects"))["payload"]


def grown(before, after):
    """Of what there is more than there was: our own objects by their class, and tasks."""
    was, now = [{**each["own"], "tasks": each["tasks"]} for each in (before, after)]
    names = now.keys() - PER_THREAD
    return {name: now[name] - was.get(name, 0) for name in names if now[name] > was.get(name, 0)}


async def settled(client, before):
    """What is alive once what is ending has ended: 10 s at most."""
    async with asyncio.timeout(10):
        while grown(before, after := await counted(client)):  # noqa: ASYNC110 - reason: nothing tells of it
            await asyncio.sleep(0.2)
    return after


async def test_many_messages_and_reconnects_leave_the_counts_flat(system, worker, report):
    """Rows 32, 87: 200 messages and 50 reconnects of somebody who is never locked out."""
    web = system.web(CHATROUTING_ROUTER=COUNTING_ROUTES, CHATROUTING_MESSAGES_BURST="10000")
    observer, person = [await in_database(make_person) for _ in range(2)]
    async with await web.connect(observer) as client:
        await used(web, person, 20, 5)
        before = await counted(client)
        await used(web, person, MESSAGES, RECONNECTS)
        after = await settled(client, before)

    assert after["all"] - before["all"] < SPARE_OBJECTS
    left = Connection.objects.filter(user_id=person.user_id)
    assert not await in_database(left.exists)
    report(f"200 messages, 50 reconnects: {after['all'] - before['all']:+} objects in the process")
