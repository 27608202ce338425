"""Strain of one kind at a time: what it does to everybody else is measured, what is lost is nothing."""

import asyncio
import os
import time
from datetime import datetime
from pathlib import Path

import pytest
import redis
from django.test import override_settings

from chatrouting.agents.messages import AgentThinking
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.stream.publishing import Event, publish
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_people, make_person
from chatrouting.testing.system import System, wait_until
from tests.agents.waiting import until
from tests.conftest import webs
from tests.integration.processes import memory, open_sockets

LONG = bool(os.environ.get("TEST_LONG"))
CYCLES = 1_000 if LONG else 100
CUT_EVENTS = 3_000 if LONG else 1_000
CUT_SECONDS = 0.1
ROUTES = "tests.faults.routes.router"
KEPT_MEBIBYTES = 8
UNLIMITED = {
    "CHATROUTING_HANDSHAKES_PER_MINUTE": "100000",
    "CHATROUTING_HEARTBEAT_SECONDS": "5",
}


@pytest.fixture(scope="module")
def strained(system, worker):
    """As `web`, with the routes that bring a process into trouble."""
    return webs(system, CHATROUTING_ROUTER=ROUTES, **UNLIMITED)


@pytest.fixture
def frugal(system):
    """One with a single database thread: what SQLite keeps for each would pass for a leak, or hide one."""
    return webs(system, CHATROUTING_DATABASE_THREADS="1", **UNLIMITED)


class Timed:
    """What a client receives, and how long each event took from its writing."""

    def __init__(self, client):
        self.client, self.seen = client, 0
        self.took = []
        self.looking = asyncio.create_task(self._look())

    async def _look(self):
        while True:
            frames = self.client.frames
            now = time.time()
            for frame in frames[self.seen :]:
                if "ts" in frame:
                    self.took.append(now - datetime.fromisoformat(frame["ts"]).timestamp())
            self.seen = len(frames)
            await asyncio.sleep(0.001)

    def p99(self):
        """In milliseconds, to one of them; begins anew."""
        took, self.took = sorted(self.took), []
        return 1000 * took[int(len(took) * 0.99)] if took else 0.0


async def tell(person, count, pause):
    for number in range(count):
        event = Event(AgentThinking(text=f"{number}", step=number + 1))
        (record,) = await publish([person.user_id], event)
        await asyncio.sleep(pause)
    return record.seq


async def test_a_slow_call_of_the_database_delays_nobody_elses_events(strained, report):
    """Row 36: while an ORM call takes two seconds in a handler, others' events come as before."""
    alice, bob = await in_database(make_people, 2)
    async with await strained.connect(alice) as a, await strained.connect(bob) as b:
        timed = Timed(b)
        await b.at(await tell(bob, 100, 0.01))
        calm = timed.p99()
        held = asyncio.create_task(a.ask("test.hold", milliseconds=2_000))
        last = 0
        while not held.done():
            last = await tell(bob, 20, 0.01)
        await b.at(last)
        assert (await held)["type"] == "test.done"
        report(f"events of others: p99 {calm:.0f} ms, {timed.p99():.0f} ms beside a slow ORM call")
        timed.looking.cancel()
        b.check_order()


async def test_a_noisy_neighbour_costs_nobody_an_event(strained, report):
    """Row 114: one user's events come at ten times the rate of the others'."""
    loud, *others = await in_database(make_people, 6)
    clients = [await strained.connect(person, seconds=30) for person in (loud, *others)]
    timed = [Timed(client) for client in clients[1:]]
    count = 150
    for client, last in zip(clients[1:], await quiet(others, count), strict=True):
        await client.at(last)
    alone = max(each.p99() for each in timed)
    last, *lasts = await asyncio.gather(
        tell(loud, count * 10, 0.001), *(tell(person, count, 0.01) for person in others)
    )
    for client, seq in zip(clients, (last, *lasts), strict=True):
        await client.at(seq)
        client.check_order()
        assert len(client.events) == seq
    beside = max(each.p99() for each in timed)
    report(f"others' p99 {alone:.1f} ms alone, {beside:.1f} ms beside one ten times as loud")
    for each in timed:
        each.looking.cancel()
    for client in clients:
        await client.close()


async def quiet(people, count):
    return await asyncio.gather(*(tell(person, count, 0.01) for person in people))


async def test_many_sockets_that_come_and_crash_leave_nothing(frugal, report):
    """Rows 32, 59, 87: rows, counters, groups, subscriptions, keys, sockets and memory as before."""
    people = await in_database(make_people, 10)
    await come_and_go(frugal, people)  # what is made once for a person, or a process, is made
    await nothing_left(frugal, people)
    before, opened = await keys_of(people), descriptors(frugal)
    memory_before = held(frugal)
    await come_and_go(frugal, people)
    await nothing_left(frugal, people)
    grown = max(now - then for now, then in zip(held(frugal), memory_before, strict=True)) / 2**20
    report(f"{CYCLES} sockets came and went: {grown:.1f} MiB more in a process")
    await in_database(wait_until, lambda: descriptors(frugal) <= opened, "the file descriptors")
    assert await keys_of(people) == before
    assert grown < KEPT_MEBIBYTES


def held(web):
    """The memory of each process, in bytes."""
    return [memory(process.process.pid) for process in web.processes]


def descriptors(web):
    """How many files all processes have open."""
    return sum(open_sockets(process.process.pid) for process in web.processes)


async def come_and_go(web, people):
    for number in range(CYCLES):
        client = await web.connect(people[number % len(people)])
        await (client.drop() if number % 2 else client.close())


async def nothing_left(web, people):
    """Wait until no row, counter, group or subscription speaks of these people."""
    rows = Connection.objects.filter(user_id__in=[person.user_id for person in people])
    await in_database(wait_until, lambda: not rows.exists(), "the rows", 20)
    await in_database(
        wait_until, lambda: web.counted("chatrouting_connections_active") == 0, "the last socket"
    )

    async def silent():
        heard = [await valkey().call("PUBSUB", "CHANNELS", f"*user.{p.user_id}") for p in people]
        return not any(heard)

    await until(silent)


async def keys_of(people):
    return [await valkey().call("KEYS", f"{{u:{person.user_id}}}:*") for person in people]


@pytest.fixture
def island(tmp_path):
    """A Valkey whose listeners may be killed, and a web process on it."""
    with EmbeddedValkey(tmp_path) as server, System(tmp_path) as started:
        yield server, started.web(REDIS_URL=valkey_url(Path(tmp_path)))


async def test_a_listener_that_is_killed_all_along_misses_nothing(island, tmp_path, report):
    """Row 45: its connections are killed every 100 ms; every event arrives, in order, once."""
    server, web = island
    alice, killed = await in_database(make_person, "alice"), []
    async with await web.connect(alice, seconds=60) as a:
        killing = asyncio.create_task(kill_listeners(server, killed))
        with override_settings(REDIS_URL=valkey_url(Path(tmp_path))):
            assert await tell(alice, CUT_EVENTS, 0.003) == CUT_EVENTS
        await a.at(CUT_EVENTS)
        await a.ping()
        killing.cancel()
        assert [event["seq"] for event in a.events] == list(range(1, CUT_EVENTS + 1))
    assert len(killed) > 10
    report(
        f"{CUT_EVENTS} events beside {len(killed)} kills of the listener: all came, in order, once"
    )


async def kill_listeners(server, killed):
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        while True:
            if client.client_kill_filter(_type="pubsub"):
                killed.append(time.time())
            await asyncio.sleep(CUT_SECONDS)
