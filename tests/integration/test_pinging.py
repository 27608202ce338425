"""Clients that ping: who reads has an answer to each, who reads nothing costs little and is closed."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Close, Frame, Opcode

from chatrouting.connections.models import Connection
from chatrouting.console.disconnecting import disconnect
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from chatrouting.testing.system import wait_until
from tests.conftest import BOTH_SERVERS
from tests.faults.mute import Mute
from tests.integration.processes import memory

PAYLOAD = b"x" * 125
PING = Frame(Opcode.PING, PAYLOAD).serialize(mask=True)
AT_ONCE = 100
PINGS = 100_000  # 12 MiB of answers, of which the kernel takes a few
GROWTH_BYTES = 5 * 1024 * 1024


def close_frame(code, *, mask):
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=mask)


class Pinging(Mute):
    """Sends pings, and reads nothing unless it is told to."""

    async def send(self, data):
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def ping(self, count):
        """So many of them, or until the server has gone."""
        try:
            for _ in range(0, count, AT_ONCE):
                await self.send(PING * AT_ONCE)
        except OSError:
            return

    @asynccontextmanager
    async def pinging(self, count):
        """`ping` beside what is done meanwhile, and no longer."""
        task = asyncio.create_task(self.ping(count))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def read_bytes(self, until=None):
        """What comes until it ends so, or the server has closed."""
        data = b""
        async with asyncio.timeout(10):
            while not (until and data.endswith(until)) and (more := await self._receive()):
                data += more
        return data


@pytest.fixture(params=BOTH_SERVERS)
def serve(own_system, request):
    """Start a web process that waits so many seconds for what it sent to be taken."""
    return lambda seconds: own_system.web(
        SERVER=request.param, CHATROUTING_SEND_SECONDS=str(seconds)
    )


async def highest(pid, other, over):
    """The most memory the process had until then, and how long another socket waited for an answer."""
    most, slowest = 0, 0.0
    while not over():
        asked = time.perf_counter()
        await other.ask("heartbeat")
        slowest = max(slowest, time.perf_counter() - asked)
        most = max(most, memory(pid))
        await asyncio.sleep(0.05)
    return most, slowest


async def test_what_waits_for_one_who_pings_and_reads_nothing_is_bounded(serve, alice, report):
    """Row 43: also of what never says that it does not fit, and others are served."""
    web, bob = serve(60), await in_database(make_person, "bob")
    async with Pinging(web, alice) as mute, await web.connect(bob) as other:
        await other.ask("heartbeat")
        before = memory(web.process.pid)
        async with mute.pinging(PINGS) as task:
            peak, slowest = await highest(web.process.pid, other, task.done)
        await mute.say("create_thread", "behind-all", title="behind all")
        await asyncio.to_thread(wait_until, lambda: made(web) == 1, "the last of what it said", 30)
        grown = max(peak, memory(web.process.pid)) - before
    report(
        f"{PINGS} pings of one who reads nothing: {grown / 2**20:.1f} MiB in the process,"
        f" others answered within {1000 * slowest:.0f} ms"
    )
    assert grown < GROWTH_BYTES


def made(web):
    return web.counted("chatrouting_messages_routed_total", type="create_thread")


async def test_who_pings_and_reads_nothing_is_closed(serve, alice):
    """Row 43: with 4202, as where anything else waits too long."""
    web = serve(2)
    async with Pinging(web, alice) as mute, mute.pinging(PINGS * 100):
        await asyncio.to_thread(wait_until, lambda: slow_closed(web) == 1, "4202", 15)


def slow_closed(web):
    return web.counted("chatrouting_connections_closed_total", code="4202")


async def test_no_ping_is_answered_behind_a_close(serve, alice):
    web = serve(10)
    async with Pinging(web, alice) as mute:
        await in_database(disconnect, Connection.objects.filter(user_id=alice.user_id), "a test")
        before = await mute.read_bytes(until=close_frame(4004, mask=False))
        await mute.ping(AT_ONCE)
        await mute.send(close_frame(1000, mask=True))
        assert await mute.read_bytes() == b""
    assert PAYLOAD not in before


async def test_each_ping_of_one_who_reads_is_answered(web, alice):
    headers = {"Cookie": alice.cookie, "Origin": web.origin}
    async with connect(web.url, additional_headers=headers, ping_interval=None) as client:
        answers = [await client.ping() for _ in range(AT_ONCE)]
        async with asyncio.timeout(10):
            await asyncio.gather(*answers)
