"""How fast a person may send, how often an address may come, and who is served when there is too much to do."""

import asyncio
import time
import uuid
from collections import Counter

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from chatrouting.database import in_database
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import make_people, make_person
from tests.integration.flood import Flooder
from tests.integration.processes import processor_seconds

TEST_ROUTES = "tests.routes_for_tests.router"
BURST, PER_SECOND = 40, 5  # of `slow`


@pytest.fixture(scope="module")
def slow(system):
    """Two web processes that take 40 messages at once and 5 a second."""
    limits = {
        "CHATROUTING_MESSAGES_PER_MINUTE": str(PER_SECOND * 60),
        "CHATROUTING_MESSAGES_BURST": str(BURST),
        "CHATROUTING_ROUTER": TEST_ROUTES,
    }
    return system.web(**limits), system.web(**limits)


@pytest.fixture(scope="module")
def crowded(system):
    """A web process that takes three handlers at once, and 12 sockets a minute of one address."""
    return system.web(
        CHATROUTING_ROUTER=TEST_ROUTES,
        CHATROUTING_HANDLERS_WAITING="3",
        CHATROUTING_HANDSHAKES_PER_MINUTE="12",
        TRUSTED_PROXIES="127.0.0.1",
    )


def kinds(client):
    """How many answers of each code, or type, came."""
    return Counter(
        each["payload"]["code"] if each["type"] == "error" else each["type"]
        for each in client.answers()
    )


async def say_all(clients, rounds):
    """Each socket sends so many messages, each as soon as the one before is answered."""

    async def say(client):
        for _ in range(rounds):
            await client.ask("test.context")

    began = time.monotonic()
    await asyncio.gather(*map(say, clients))
    return time.monotonic() - began


async def test_the_rate_of_a_person_holds_over_sockets_and_processes(slow, alice, report):
    """Row 112: four sockets in two processes get no more together than `welcome` says."""
    first, second = slow
    clients = [await web.connect(alice) for web in (first, second, first, second)]
    lasted = await say_all(clients, 60)
    answered = sum(map(kinds, clients), Counter())
    for client in clients:
        await client.close()

    allowed = BURST + PER_SECOND * lasted
    assert set(answered) == {"test.shown", "rate_limited"}
    assert answered.total() == 240
    assert BURST - 8 <= answered["test.shown"] <= allowed + 1
    report(
        f"rate over 4 sockets and 2 processes: {answered['test.shown']} of 240 served, "
        f"{allowed:.0f} allowed in {lasted:.1f} s"
    )


async def test_the_rate_comes_back(slow, alice):
    """Row 112: `retry_after_ms` says when, and the socket is as it was."""
    async with await slow[0].connect(alice) as a:
        assert a.welcome["limits"]["messages_per_minute"] == PER_SECOND * 60
        while (answer := await a.ask("test.context", "x"))["type"] != "error":
            pass
        wait = answer["payload"]["retry_after_ms"]
        assert_error(answer, "x", "rate_limited", retry_after_ms=wait)
        assert 0 < wait <= 1000 / PER_SECOND
        await asyncio.sleep(wait / 1000 + 0.05)

        assert (await a.ask("test.context"))["type"] == "test.shown"


async def test_the_rate_of_one_is_not_anothers(slow):
    """Rows 112, 114: one is over it, the other's messages are served."""
    alice, bob = await in_database(make_people, 2)
    async with await slow[0].connect(alice) as a, await slow[0].connect(bob) as b:
        await say_all([a], BURST + 10)

        assert kinds(a)["rate_limited"]
        assert (await b.ask("test.context"))["type"] == "test.shown"


ROUND_TRIPS = 200
FLOOD = 2_500  # frames a second into each of two processes


async def p95_of(client):
    """Of round trips, one after another."""
    taken = []
    for _ in range(ROUND_TRIPS):
        client.frames.clear()  # it looks through all it has
        began = time.monotonic()
        await client.ask("heartbeat")
        taken.append(time.monotonic() - began)
        await asyncio.sleep(0.005)
    return sorted(taken)[int(ROUND_TRIPS * 0.95)]


async def test_a_flood_of_one_leaves_another_served(slow, report):
    """Rows 112, 114: 5 000 frames a second of one person, who waits for no answer."""
    alice, bob = await in_database(make_people, 2)
    floods = [
        await Flooder.connect(web.url, {"Cookie": alice.cookie, "Origin": web.origin})
        for web in slow
    ]
    stop = asyncio.Event()
    async with await slow[0].connect(bob) as b:
        quiet, began, used = await p95_of(b), time.monotonic(), used_by(slow)
        flooding = [asyncio.create_task(each.send("test.context", FLOOD, stop)) for each in floods]
        busy = await p95_of(b)
        stop.set()
        said, flooded = [await each for each in flooding], time.monotonic() - began
        assert (await b.ask("test.context"))["type"] == "test.shown"
    came = [await each.answered(number) for each, number in zip(floods, said, strict=True)]
    lasted = time.monotonic() - began
    for each in floods:
        await each.close()

    answered = sum(came, Counter())
    assert answered.total() == sum(said)  # nothing is lost silently
    assert set(answered) <= {"test.shown", "rate_limited", "overloaded"}
    assert BURST / 2 <= answered["test.shown"] <= BURST + PER_SECOND * lasted + 1
    report(
        f"flood of {sum(said) / flooded:.0f} frames a second for {flooded:.1f} s, answered after {lasted:.1f} s, "
        f"{1e6 * (used_by(slow) - used) / sum(said):.0f} µs of a processor each: p95 of {ROUND_TRIPS} round trips "
        f"of another {busy / quiet:.1f} times the quiet one"
    )


def used_by(webs):
    return sum(processor_seconds(each.process.pid) for each in webs)


async def test_heartbeats_are_not_limited(slow, alice):
    """Row 112: neither before nor after the rate is reached."""
    async with await slow[0].connect(alice) as a:
        for _ in range(BURST * 2):
            assert (await a.ask("heartbeat"))["type"] == "heartbeat_ack"
        assert (await a.ask("test.context"))["type"] == "test.shown"
        await say_all([a], BURST + 10)

        assert kinds(a)["rate_limited"]
        assert (await a.ask("heartbeat"))["type"] == "heartbeat_ack"


async def test_wrong_payloads_count_as_messages(slow, alice):
    """Row 112: what is refused costs the server too."""
    async with await slow[0].connect(alice) as a:
        for _ in range(BURST + 10):
            await a.ask("list_threads", limit=0)

        assert kinds(a)["rate_limited"] > 0


def from_address(web, person, address):
    headers = {"X-Forwarded-For": address}
    return ProtocolClient.connect(web.url, cookie=person.cookie, origin=web.origin, headers=headers)


async def test_an_address_that_comes_too_often_is_told_to_wait(crowded, alice):
    """Row 10: 4101 and backoff; others come in."""
    sockets = [await from_address(crowded, alice, "192.0.2.1") for _ in range(12)]
    for each in sockets:
        await each.ready()
    late = await from_address(crowded, alice, "192.0.2.1")
    other = await from_address(crowded, alice, "192.0.2.2")

    assert (await late.expect_close(4101))["reconnect"] == "backoff"
    assert (await other.ready()).welcome["user_id"] == alice.user_id
    assert crowded.counted("chatrouting_connections_refused_total", reason="rate") == 1
    for each in (*sockets, other):
        await each.close()


def make_important():
    person = make_person("important")
    group, _ = Group.objects.get_or_create(name="priority")
    get_user_model().objects.get(pk=person.user_id).groups.add(group)
    return person


async def test_where_there_is_too_much_to_do_priority_is_served(crowded):
    """Row 113: the others are told when to come again; what is at work is answered."""
    alice, bob = await in_database(make_people, 2)
    carol = await in_database(make_important)
    gate = f"gate-{uuid.uuid4()}"
    busy = [await from_address(crowded, alice, "192.0.2.3") for _ in range(3)]
    waiting = [await each.say("test.wait", gate=gate) for each in busy]
    b = await (await from_address(crowded, bob, "192.0.2.3")).ready()
    c = await (await from_address(crowded, carol, "192.0.2.3")).ready()
    async with asyncio.timeout(4):
        while (await c.ask("test.waiting", gate=gate))["payload"]["count"] != 3:
            pass

    assert_error(await b.ask("list_threads", "x"), "x", "overloaded", retry_after_ms=1_000)
    assert (await b.ask("heartbeat"))["type"] == "heartbeat_ack"
    assert (await c.ask("list_threads"))["type"] == "thread_list"
    await c.ask("test.open", gate=gate)
    for each, id in zip(busy, waiting, strict=True):
        assert (await each.reply(id))["type"] == "test.passed"
    assert (await b.ask("list_threads"))["type"] == "thread_list"
    for each in (*busy, b, c):
        await each.close()
