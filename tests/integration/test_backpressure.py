"""Clients that read nothing, say too much, or are gone without a word: nobody else notices."""

import asyncio
import os
import socket
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from chatrouting.agents.messages import AgentThinking
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from chatrouting.testing.client import at_position
from chatrouting.testing.people import make_person
from chatrouting.testing.system import wait_until
from tests.conftest import BOTH_SERVERS
from tests.faults.mute import Mute
from tests.integration.processes import memory, sockets_at
from tests.integration.test_under_strain import Timed

MEGABYTES = 200 if os.environ.get("TEST_LONG") else 24
EVENT_BYTES = 64 * 1024
GROWTH_BYTES = 8 * 1024 * 1024
SEND_SECONDS = 2
SEGMENT_BYTES = 1400


class Distant(Mute):
    """One behind a network: for the segments of loopback the kernel alone takes two megabytes."""

    def __init__(self, web, person):
        super().__init__(web, person)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)


@pytest.fixture
async def bob(services):
    return await in_database(make_person, "bob")


@pytest.fixture(scope="module", params=BOTH_SERVERS)
def served(system, request):
    """A web process of each server, that finds out within 2 s who is not there."""
    return system.web(SERVER=request.param, CHATROUTING_HEARTBEAT_SECONDS="1")


@pytest.fixture(scope="module", params=BOTH_SERVERS)
def patient(system, request):
    """One that waits long for heartbeats, and two seconds for what it sent to be taken."""
    return system.web(SERVER=request.param, CHATROUTING_SEND_SECONDS=str(SEND_SECONDS))


def slow_closed(web):
    return web.counted("chatrouting_connections_closed_total", code="4202")


async def tell(person, count, size=EVENT_BYTES, pause=0.0):
    """So many events of that size, with this pause behind each; the last one's seq."""
    for number in range(count):
        event = Event(AgentThinking(text="x" * size, step=number + 1))
        (record,) = await publish([person.user_id], event)
        await asyncio.sleep(pause)
    return record.seq


async def tell_until(person, done):
    """Small events, evenly, for as long as something else goes on; the last one's seq."""
    while not done.is_set():
        last = await tell(person, 1, 10, pause=0.005)
    return last


async def test_a_client_that_reads_nothing_costs_little_and_loses_nothing(
    patient, alice, bob, report
):
    """Rows 43, 48: bounded memory, 4202, others are not disturbed; on resume nothing is missing."""
    closed, done = slow_closed(patient), asyncio.Event()
    async with Mute(patient, alice) as mute, await patient.connect(bob, seconds=60) as other:
        await other.at(await tell(bob, 500, 10))  # what a process takes once is taken
        timed = Timed(other)
        timed.seen = len(other.frames)
        await other.at(await tell(bob, 200, 10, pause=0.005))
        calm = timed.p99()
        before = memory(patient.process.pid)
        telling = asyncio.create_task(tell_until(bob, done))
        peak = asyncio.create_task(highest(patient.process.pid, done))
        last = await tell(alice, MEGABYTES * 1024 * 1024 // EVENT_BYTES)
        await asyncio.to_thread(wait_until, lambda: slow_closed(patient) == closed + 1, "4202")
        done.set()
        await other.at(await telling)
        other.check_order()
        timed.looking.cancel()
        grown = await peak - before
        await mute.read(lambda: False)
    assert grown < GROWTH_BYTES
    report(
        f"{MEGABYTES} MB to one who reads nothing: {grown / 2**20:.1f} MiB in the process,"
        f" events of others: p99 {calm:.0f} ms before, {timed.p99():.0f} ms beside"
    )
    await whole(patient, alice, mute, last)


async def highest(pid, done):
    """The most memory the process had until `done`."""
    most = 0
    while not done.is_set():
        most = max(most, memory(pid))
        await asyncio.sleep(0.05)
    return most


async def whole(web, person, mute, last):
    """What the mute one read before its close, and what it is sent on resume, are all there is."""
    came = [frame["seq"] for frame in mute.frames if "seq" in frame]
    welcome = mute.frames[0]["payload"]
    assert came == list(range(1, len(came) + 1))
    async with await web.connect(person, since=(welcome["epoch"], len(came)), seconds=60) as back:
        assert back.welcome["recovered"] is True
        await back.expect_event("agent_thinking", seq=last)
        assert [event["seq"] for event in back.events] == list(range(len(came) + 1, last + 1))


async def test_a_client_that_reads_nothing_for_too_long_is_closed_however_little_waits(
    patient, alice, report
):
    """Row 43: by its age: a quarter of what may wait."""
    closed = slow_closed(patient)
    async with Distant(patient, alice) as mute:
        began = time.monotonic()
        last = await tell(alice, 16)
        await asyncio.to_thread(wait_until, lambda: slow_closed(patient) == closed + 1, "4202")
        took = time.monotonic() - began
    assert took >= SEND_SECONDS
    report(f"1 MB to one who reads nothing: closed after {took:.1f} s of {SEND_SECONDS}")
    await whole(patient, alice, mute, last)


async def test_the_reader_of_nothing_is_told_why_once_it_reads(patient, alice):
    """Row 43: `bye` and close 4202 stand behind what was sent before."""
    closed = slow_closed(patient)
    async with Mute(patient, alice) as mute:
        await tell(alice, 160)
        await asyncio.to_thread(wait_until, lambda: slow_closed(patient) == closed + 1, "4202")
        await mute.read(lambda: mute.frames[-1]["type"] == "bye")
        assert mute.frames[-1]["payload"]["code"] == 4202
        await mute.read(lambda: False)
        assert mute.code == 4202


async def test_a_replay_goes_at_the_readers_pace_and_closes_nobody(patient, alice):
    """Row 45: missed events do not count as waiting, however slowly they are read."""
    last = await tell(alice, 160)
    async with await patient.connect(alice) as known:
        epoch = known.welcome["epoch"]
    async with Mute(patient, alice, at_position(patient.url, epoch=epoch, seq=0)) as mute:
        while mute.frames[-1].get("seq") != last:
            until = min(mute.frames[-1].get("seq", 0) + 8, last)
            await mute.read(lambda: mute.frames[-1].get("seq", 0) >= until)  # noqa: B023 - reason: read at once
            assert mute.code is None, mute.frames[-1]
            await asyncio.sleep(0.01)
    assert [frame["seq"] for frame in mute.frames[1:]] == list(range(1, last + 1))


async def test_a_flood_of_messages_is_answered_each_and_disturbs_nobody(patient, alice, bob):
    """Rows 35, 114: what is too much is refused as `overloaded` or `rate_limited`, nothing silently."""
    async with await patient.connect(alice, seconds=60) as a, await patient.connect(bob) as b:
        ids = [await a.say("thread_history", thread_id=alice_thread()) for _ in range(400)]
        await b.ping()
        for id in ids:
            await a.reply(id)
        codes = {answer["payload"]["code"] for answer in a.answers() if answer["id"] in set(ids)}
    assert codes <= {"not_found", "overloaded", "rate_limited"}
    assert codes & {"overloaded", "rate_limited"}
    assert len(a.answers()) == len(ids)


def alice_thread():
    """A thread that is not there: what is asked costs a look into the database."""
    return "00000000-0000-4000-8000-000000000000"


async def test_a_socket_whose_other_side_is_gone_without_a_word_leaves_nothing(served, alice):
    """Rows 57, 59: 4201 after two heartbeats, no row, no counter, no file descriptor."""
    rows = Connection.objects.filter(user_id=alice.user_id)
    open_here = partial(sockets_at, served.process.pid, served.port)
    await asyncio.to_thread(wait_until, lambda: open_here() == 1, "the ends of other sockets")
    async with AsyncExitStack() as gone:
        for _ in range(5):
            await gone.enter_async_context(Mute(served, alice))
        assert open_here() == 6
        await in_database(wait_until, lambda: not rows.exists(), "the end of the rows", 15)
        assert served.counted("chatrouting_connections_active") == 0
        await asyncio.to_thread(wait_until, lambda: open_here() == 1, "their sockets", 30)


@pytest.mark.parametrize("server", BOTH_SERVERS)
async def test_what_waits_for_one_that_is_gone_is_waited_for_no_longer(own_system, alice, server):
    web = own_system.web(SERVER=server, CHATROUTING_SEND_SECONDS="60", LOG_LEVEL="DEBUG")
    async with Mute(web, alice) as mute:
        connection_id = mute.frames[0]["payload"]["connection_id"]
        await tell(alice, 160)
        await asyncio.to_thread(wait_until, lambda: slow_closed(web) == 1, "4202")

    await asyncio.to_thread(web.has_said, f"connection {connection_id} is over")
