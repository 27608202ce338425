"""Who sends faster than they are served: read at a pace, answered in order, not held in memory, told to go."""

import asyncio

import pytest
from django.contrib.sessions.models import Session

from chatrouting.database import in_database
from chatrouting.testing.system import wait_until
from tests.agents.waiting import until
from tests.conftest import BOTH_SERVERS
from tests.integration.at_once import connect_and_say
from tests.integration.flood import Flooder
from tests.integration.processes import memory

AT_ONCE = 400
PRESSED_SECONDS = 1.5
GROWTH_BYTES = 8 * 2**20
MESSAGE = b'{"type":"test.context","id":"f"}'


@pytest.fixture(scope="module", params=BOTH_SERVERS)
def served(system, request):
    """A web process of each server."""
    return system.web(SERVER=request.param, CHATROUTING_ROUTER="tests.routes_for_tests.router")


@pytest.fixture
async def flooder(served, alice):
    made = await Flooder.connect(served.url, {"Cookie": alice.cookie, "Origin": served.origin})
    yield made
    await made.close()


async def test_what_comes_in_one_piece_is_answered_in_order(served, alice):
    """Rows 8, 35: however few of them are looked at, at a time."""
    headers = {"Cookie": alice.cookie, "Origin": served.origin}
    texts = [f'{{"type":"heartbeat","id":"m{number}"}}' for number in range(AT_ONCE)]
    frames = await connect_and_say(served.url, headers, texts, lambda frames: len(frames) > AT_ONCE)

    assert frames[0]["type"] == "welcome"
    answers = [each["id"] for each in frames if each["type"] == "heartbeat_ack"]
    assert answers == [f"m{number}" for number in range(AT_ONCE)]


async def test_what_is_not_read_yet_waits_with_the_client(served, flooder, report):
    """Row 114: frames that come faster than they are refused take no memory of the server's."""
    await flooder.press(MESSAGE, 0.5)
    before = memory(served.process.pid)
    sent = await flooder.press(MESSAGE + b" " * 4_096, PRESSED_SECONDS)
    grown = memory(served.process.pid) - before

    assert grown < GROWTH_BYTES
    report(f"{sent / 2**20:.0f} MB of a flood taken: {grown / 2**20:.1f} MiB in the process")


async def test_a_flood_is_a_few_lines_of_the_log(served, alice):
    """Rows 105, 112: each refusal is answered, and its trace id is found there."""
    async with await served.connect(alice) as a:
        said = [await a.say("test.context") for _ in range(AT_ONCE)]
        refused = [each for each in [await a.reply(id) for id in said] if each["type"] == "error"]
    traces = {each["payload"]["trace_id"] for each in refused}

    assert len(refused) > AT_ONCE / 2
    assert len(traces) <= 4  # two codes, and a while may end in between
    for trace_id in traces:
        served.has_said(trace_id)
    assert served.output.count(f"{a.welcome['connection_id']}") <= 3 * len(traces)


async def test_who_floods_is_told_to_go_like_anybody(served, alice, flooder):
    """Rows 12, 114: a session that ends closes its socket within two seconds, whatever waits there."""
    closed = served.counted("chatrouting_connections_closed_total", code="4401")
    await flooder.press(MESSAGE, 0.5)
    pressing = asyncio.create_task(flooder.press(MESSAGE, 1.5))
    await in_database(lambda: Session.objects.get(session_key=alice.session_key).delete())

    def gone():
        return served.counted("chatrouting_connections_closed_total", code="4401") == closed + 1

    await asyncio.to_thread(wait_until, gone, "the close", 2)
    async with asyncio.timeout(10):
        while not flooder.came["bye"]:  # noqa: ASYNC110 - reason: an event a frame would cost more
            await asyncio.sleep(0.01)
    await pressing


async def test_who_has_stopped_flooding_is_served_as_before(served, alice):
    """Rows 112, 114: on the same socket, once what it sent is answered."""
    async with await served.connect(alice, seconds=20) as a:
        for _ in range(AT_ONCE):
            await a.say("test.context")
        assert (await a.ask("heartbeat"))["type"] == "heartbeat_ack"

        async def served_again():
            return (await a.ask("test.context"))["type"] == "test.shown"

        await until(served_again, 2)
