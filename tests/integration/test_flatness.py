"""What a process holds is flat: many messages and many connections leave nothing behind."""

import asyncio
import time
from contextlib import AsyncExitStack

from chatrouting.conf import ChatSettings
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from chatrouting.testing.system import wait_until
from tests.conftest import webs

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


async def counted(observers):
    """What is alive in each process."""
    return [(await each.ask("test.objects"))["payload"] for each in observers]


def grown(before, after):
    """Of what there is more than there was: our own objects by their class, and tasks."""
    was, now = [{**each["own"], "tasks": each["tasks"]} for each in (before, after)]
    names = now.keys() - PER_THREAD
    return {name: now[name] - was.get(name, 0) for name in names if now[name] > was.get(name, 0)}


async def settled(observers, before):
    """What is alive once what is ending has ended: 10 s at most."""
    async with asyncio.timeout(10):
        while any(map(grown, before, after := await counted(observers))):  # noqa: ASYNC110 - reason: nothing tells of it
            await asyncio.sleep(0.2)
    return after


async def away(person):
    """Wait until no socket of this person is in the database: their ends come after their clients' ends."""
    rows = Connection.objects.filter(user_id=person.user_id)
    await in_database(wait_until, lambda: not rows.exists(), "the end of the rows")


async def test_many_messages_and_reconnects_leave_the_counts_flat(system, worker, report):
    """Rows 32, 87: 200 messages and 50 reconnects of somebody who is never locked out."""
    web = webs(system, CHATROUTING_ROUTER=COUNTING_ROUTES, CHATROUTING_MESSAGES_BURST="10000")
    observer, person = [await in_database(make_person) for _ in range(2)]
    async with AsyncExitStack() as stack:
        opened = [await process.connect(observer) for process in web.processes]
        observers = [await stack.enter_async_context(each) for each in opened]
        await used(web, person, 20, 5 * len(observers))
        await away(person)
        before = await counted(observers)
        await used(web, person, MESSAGES, RECONNECTS)
        await away(person)
        after = await settled(observers, before)

    more = [now["all"] - was["all"] for now, was in zip(after, before, strict=True)]
    assert max(more) < SPARE_OBJECTS
    report(f"{MESSAGES} messages, {RECONNECTS} reconnects: {max(more):+} objects in a process")


async def test_the_limits_as_shipped_lock_nobody_out_in_normal_use(system):
    """Row 87: 200 messages, some at once and the others at just under the rate, and 50 reconnects."""
    web, conf = webs(system), ChatSettings()
    person = await in_database(make_person)
    at_once = conf.messages_burst * 8 // 10  # a tenth may be held for the person in another process
    pause = 60 / conf.messages_per_minute / 0.95
    async with await web.connect(person) as staying:
        client = await web.connect(person)
        began = time.monotonic()
        for number in range(MESSAGES):
            if number % (MESSAGES // RECONNECTS) == 0:
                await client.close()
                client = await web.connect(person)
            due = began + pause * max(0, number - at_once)
            await asyncio.sleep(due - time.monotonic())  # the pace of somebody who reads
            answer = await client.ask(("ping", "list_threads")[number % 2])
            assert answer["type"] in ("pong", "thread_list"), (number, answer)
        await client.close()
        await staying.assert_silent()
