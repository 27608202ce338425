"""Each message goes to its handler; answers keep their order; nobody waits for another."""

import asyncio
import json
import re
import time
import uuid
from functools import partial
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from chatrouting.database import in_database
from chatrouting.routing import router
from chatrouting.testing.frames import assert_error
from chatrouting.testing.people import make_people, make_person
from tests.conftest import webs
from tests.integration.conftest import TEST_ROUTES
from tests.integration.pages import Pages
from tests.routes_for_tests import SECRET

TABLE = "admin:chatrouting_connections_route_changelist"
REFUSED = "chatrouting_messages_refused_total"


def new_gate():
    return f"gate-{uuid.uuid4()}"


async def all_wait(client, gate, count):
    """Ask from a socket that is free until so many handlers wait at the gate."""
    async with asyncio.timeout(4):
        while (await client.ask("test.waiting", gate=gate))["payload"]["count"] != count:
            pass


async def test_an_unknown_type_gets_one_error_and_is_counted(web, alice):
    """Row 27: it carries the received type, at most 64 characters of it; nothing is executed."""
    before = web.counted(REFUSED, code="unknown_type")
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        short = await a.ask("launch_rocket", "x", content="hello")
        long = await a.ask("launch" * 100, "y")

        assert_error(short, "x", "unknown_type", received_type="launch_rocket")
        assert_error(long, "y", "unknown_type", received_type=("launch" * 100)[:64])
        await a.assert_silent()
        await other.assert_silent()
    assert web.counted(REFUSED, code="unknown_type") == before + 2


@pytest.mark.parametrize("kind", ["Ping", "PING", " ping", "ping ", "websocket.receive",
                                  "event.deliver", "__class__", "test.wait"])  # fmt: skip
async def test_a_type_is_taken_literally(web, alice, kind):
    """Row 27: no other spelling, no name from inside the server, no route of another process."""
    async with await web.connect(alice) as a:
        assert_error(await a.ask(kind, "x"), "x", "unknown_type", received_type=kind)


async def test_every_route_that_is_listed_is_served(web, alice):
    """Row 26: by its own name, as the command lists them."""
    output = StringIO()
    await in_database(partial(call_command, "routes", "--json", stdout=output))
    listed = {each["type"] for each in json.loads(output.getvalue())["routes"]}
    assert listed >= {"user_message", "stop_agent", "thread_history", "ping", "heartbeat"}
    async with await web.connect(alice) as a:
        for kind in listed:
            answer = await a.ask(kind)
            assert answer["payload"].get("code") in {None, "invalid_payload"}, answer


async def test_the_console_of_each_process_lists_the_whole_table(web):
    """Row 26: each type with the handler that serves it there."""
    operator = await in_database(partial(make_person, "operator", is_superuser=True, is_staff=True))
    for process in web.processes:
        pages = Pages.of(process, operator)
        status = await asyncio.to_thread(pages.get, reverse(TABLE))
        assert status == 200
        for route in router.routes:
            assert f"<td>{route.message.type}</td>" in pages.body
            assert route.name in pages.body


@pytest.fixture(scope="module")
def watched(system):
    """As `lab`, with a middleware and an observer of a project."""
    return webs(
        system,
        CHATROUTING_ROUTER=TEST_ROUTES,
        CHATROUTING_MIDDLEWARE="tests.watching.surround",
        CHATROUTING_OBSERVERS="tests.watching.observe",
    )


async def test_middleware_and_observers_see_every_message_once(unbroken, watched, alice):
    """Row 29: who stands around the handlers sees what is answered, who observes also what is not."""
    for process in watched.processes:
        before = len(process.output)
        async with await process.connect(alice) as a:
            for kind in ("test.serve", "test.fail", "nonsense", "ping"):
                await a.ask(kind)
        said = re.findall(r"tests\.watching (around|over) \w+ (.*)", process.output[before:])

        assert [what for place, what in said if place == "around"] == ["test.serve", "ping"]
        assert [what for place, what in said if place == "over"] == [
            "test.serve answered", "test.fail refused", "None refused", "ping answered",
        ]  # fmt: skip


async def test_one_connection_may_alternate_types(web, alice):
    """Row 33: each goes to its own handler and nothing is carried over."""
    missing = str(uuid.uuid4())
    asked = [
        ("ping", {}, "pong"),
        ("heartbeat", {}, "heartbeat_ack"),
        ("list_threads", {"limit": 1}, "thread_list"),
        ("run_status", {"run_id": missing}, "error"),
        ("list_threads", {}, "thread_list"),
        ("stop_agent", {"run_id": missing}, "error"),
        ("thread_history", {"thread_id": missing}, "error"),
    ]
    async with await web.connect(alice) as a:
        for number, (kind, payload, name) in enumerate(asked * 3):
            answer = await a.ask(kind, f"x{number}", **payload)
            assert answer["type"] == name
            if name == "error":
                assert_error(answer, f"x{number}", "not_found")


async def test_answers_come_in_order_of_arrival(lab, alice):
    """Row 35: what came behind a slow message is answered behind it."""
    gate = new_gate()
    async with await lab.connect(alice) as a, await lab.connect(alice) as key:
        said = [await a.say("test.wait", gate=gate)]
        said += [await a.say(kind) for kind in ("ping", "list_threads", "nonsense", "ping")]
        await all_wait(key, gate, 1)
        assert a.answers() == []
        await key.ask("test.open", gate=gate)
        await a.reply(said[-1])

        assert [(each["id"], each["type"]) for each in a.answers()] == list(
            zip(said, ("test.passed", "pong", "thread_list", "error", "pong"), strict=True)
        )


async def test_a_slow_handler_holds_up_no_delivery_and_no_heartbeat(lab, alice):
    """Row 35: a whole run arrives and a heartbeat is answered while a message is at work."""
    gate = new_gate()
    async with await lab.connect(alice) as a, await lab.connect(alice) as other:
        slow = await a.say("test.wait", gate=gate)
        await all_wait(other, gate, 1)
        accepted = await other.ask("user_message", content="What is 6 * 7?")
        beat = await a.ask("heartbeat", "beat")
        await a.whole_run(accepted["payload"]["run_id"])

        assert beat == {"type": "heartbeat_ack", "id": "beat", "payload": {}}
        assert a.answers(slow) == []
        a.check_order()
        await other.ask("test.open", gate=gate)
        assert (await a.reply(slow))["type"] == "test.passed"


async def test_a_slow_handler_holds_up_no_other_user(lab):
    """Row 36: ten sockets wait; another user's messages are answered meanwhile."""
    alice, bob = await in_database(make_people, 2)
    gate = new_gate()
    sockets = [await lab.connect(alice) for _ in range(10)]
    async with await lab.connect(bob) as b:
        waiting = [await socket.say("test.wait", gate=gate) for socket in sockets]
        await all_wait(b, gate, 10)
        begun = time.monotonic()
        for _ in range(20):
            assert (await b.ping())["type"] == "pong"
            assert (await b.ask("list_threads"))["type"] == "thread_list"
        assert time.monotonic() - begun < 2

        assert all(socket.answers() == [] for socket in sockets)
        await b.ask("test.open", gate=gate)
        for socket, id in zip(sockets, waiting, strict=True):
            assert (await socket.reply(id))["type"] == "test.passed"
            await socket.close()


async def test_more_than_the_socket_may_have_unanswered_is_overload(lab, alice):
    """Row 113: 32 unanswered messages are taken and answered, each further one is told when to come again."""
    gate = new_gate()
    async with await lab.connect(alice) as a, await lab.connect(alice) as key:
        said = [await a.say("test.wait", gate=gate) for _ in range(32)]
        late = [await a.say("ping") for _ in range(8)]
        for id in late:
            assert_error(await a.reply(id), id, "overloaded", retry_after_ms=1_000)
        assert [each["id"] for each in a.answers()] == late
        await key.ask("test.open", gate=gate)
        await a.reply(said[-1])

        answers = a.answers()[len(late) :]
        assert [(each["id"], each["type"]) for each in answers] == [
            (id, "test.passed") for id in said
        ]
        assert (await a.ping())["type"] == "pong"


async def test_a_handler_over_its_limit_is_answered_for(brisk, alice):
    """Row 108: handler_timeout within limit + 0.5 s, then the socket goes on."""
    async with await brisk.connect(alice) as a:
        begun = time.monotonic()
        slow = await a.say("test.wait", gate=new_gate())
        behind = await a.say("ping")
        answer = await a.reply(slow)
        lasted = time.monotonic() - begun
        pong = await a.reply(behind)

        assert_error(answer, slow, "handler_timeout", retry_after_ms=1_000)
        assert 0.25 < lasted < 0.8
        assert pong["type"] == "pong"
        assert len(a.answers()) == 2


async def test_a_handler_that_fails_gives_one_error_and_keeps_its_secrets(unbroken, lab):
    """Rows 105 and 106: the sender gets one internal; the cause stands in the log under its trace id."""
    alice, bob = await in_database(make_people, 2)
    async with (
        await lab.connect(alice) as a,
        await lab.connect(alice) as other,
        await lab.connect(bob) as b,
    ):
        answer = await a.ask("test.fail", "boom")

        assert_error(answer, "boom", "internal")
        assert answer["payload"]["message"] == "Something went wrong on the server."
        assert not any(word in str(a.frames) for word in (*SECRET.split(), "RuntimeError", ".py"))
        await a.assert_silent()
        await other.assert_silent()
        await b.assert_silent()
        assert len(a.answers()) == 2
    logged = lab.output.partition(f"trace {answer['payload']['trace_id']}:")[2]
    assert logged.startswith(" message 'test.fail' failed\nTraceback")
    assert f"RuntimeError: {SECRET}" in logged


async def test_every_error_is_found_in_the_log(web, alice):
    """Row 105: by its trace id, on one line, whatever the client wrote."""
    forged = "x\n2026-01-01 00:00:00 ERROR forged"
    async with await web.connect(alice) as a:
        answer = await a.ask("ping", **{forged: 1})
    trace = answer["payload"]["trace_id"]
    lines = [line for line in web.output.splitlines() if f"trace {trace}:" in line]
    assert len(lines) == 1
    assert "invalid_payload" in lines[0]
    assert "\n2026-01-01 00:00:00 ERROR forged" not in web.output
