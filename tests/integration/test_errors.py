"""Every error of the protocol's table, on a process without `DEBUG`: its exact fields, its line in the log."""

import asyncio
import contextlib
import json
import threading
import uuid

import pytest
from django.conf import settings
from django.db import connection, transaction

from chatrouting.chat.models import Receipt
from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error
from routing_core.errors import ErrorCode
from tests.agents.waiting import until
from tests.conftest import webs
from tests.failing_routes import SECRET
from tests.integration.pages import Pages

HANDLER_SECONDS = 2
CANARY = "canary-7c1f"


@pytest.fixture(scope="module")
def production(system):
    """As `web`, without `DEBUG`."""
    return webs(
        system,
        DEBUG="0",
        SECRET_KEY=settings.SECRET_KEY,
        ALLOWED_HOSTS="127.0.0.1",
        SECURE_SSL_REDIRECT="0",
        CHATROUTING_ROUTER="tests.routes_for_tests.router",
        CHATROUTING_HANDLER_SECONDS=str(HANDLER_SECONDS),
        CHATROUTING_BREAKER_SECONDS="60",
    )


@pytest.fixture
async def a(production, alice):
    async with await production.connect(alice) as client:
        yield client


def lines(web):
    """What it has logged, each line an object; the command's own word is not of the log."""
    return [json.loads(line) for line in web.output.splitlines() if not line.startswith("serving ")]


# What is sent, and what of the error depends on it.
MISSING = str(uuid.uuid4())
FRAMES = {
    "invalid_json": ("nonsense", {}),
    "invalid_frame": ('{"type":"ping","id":"x","user_id":"1"}', {"field": "user_id"}),
    "frame_too_large": ('{"type":"ping","id":"x"}' + " " * 65_536, {}),
    "unknown_type": ('{"type":"launch","id":"x"}', {"received_type": "launch"}),
    "type_not_allowed": ('{"type":"welcome","id":"x"}', {"received_type": "welcome"}),
    "invalid_payload": ('{"type":"ping","id":"x","payload":{"ack":-1}}', {"field": "payload.ack"}),
    "not_found": (f'{{"type":"stop_agent","id":"x","payload":{{"run_id":"{MISSING}"}}}}', {}),
    "permission_denied": (
        '{"type":"broadcast","id":"x","payload":{"content":"all","audience":{"all":true}}}', {},
    ),
    "internal": ('{"type":"test.fail","id":"x"}', {}),
    "handler_timeout": ('{"type":"test.sleep","id":"x"}', {"retry_after_ms": 1_000}),
}  # fmt: skip


async def busy(a):
    """A second question where nothing may wait."""
    first = await a.ask("user_message", content="What is 6 * 7?")
    thread = first["payload"]["thread_id"]
    return await a.ask("user_message", "x", content="and?", thread_id=thread, on_busy="reject")


async def rate_limited(a):
    """More than a burst."""
    while (answer := await a.ask("test.context"))["type"] != "error":
        pass
    return answer


async def overloaded(a):
    """More than may be unanswered."""
    for _ in range(32):
        await a.say("test.wait", gate=str(uuid.uuid4()))
    return await a.ask("test.context", "x")


async def circuit_open(a):
    """A route that has failed for this person."""
    for _ in range(5):
        assert (await a.ask("test.weak", come="bad"))["payload"]["code"] == "internal"
    return await a.ask("test.weak", "x")


LATER = {each.__name__: each for each in (busy, rate_limited, overloaded, circuit_open)}


async def reached(a, code):
    """The error of this code, and what else stands in it."""
    if code in LATER:
        answer = await LATER[code](a)
        wait = answer["payload"]["retry_after_ms"]
        assert 0 < wait <= 60_000
        return answer, {"retry_after_ms": wait}
    frame, more = FRAMES[code]
    before = len(a.answers())
    await a.send(frame)
    await a.until(lambda: len(a.answers()) > before, code)
    return a.answers()[before], more


@pytest.mark.parametrize("code", [code.value for code in ErrorCode])
async def test_an_error_has_its_fields_and_its_line_in_the_log(
    unbroken, production, a, alice, code
):
    """Rows 105, 106, 107: one shape; its trace id finds the cause, and who it was."""
    answer, more = await reached(a, code)
    id = None if code == "invalid_json" else answer["id"]
    assert_error(answer, id, code, **more)
    trace_id = answer["payload"]["trace_id"]
    word = code if code != "internal" else "failed"
    (line,) = [
        each
        for each in lines(production)
        if each.get("trace_id") == trace_id and word in each["event"]
    ]

    assert line["user_id"] == alice.user_id
    assert line["connection_id"] == a.welcome["connection_id"]
    assert (SECRET in line.get("exception", "")) is (code == "internal")
    assert (await a.ask("heartbeat"))["type"] == "heartbeat_ack"


async def test_what_a_person_says_is_in_no_line(production, a, alice):
    """Rows 106, 86: no content, cookie, session key or password, whatever became of the message."""
    await a.ask("user_message", content=f"{CANARY} said")
    await a.ask("user_message", content=CANARY * 1_000)
    await a.ask("user_message", content=f"{CANARY}\0")
    await a.ask("user_message", content="x", agent=CANARY)
    await a.ask("create_thread", title=CANARY)
    await a.ask("add_member", thread_id=MISSING, username=CANARY)
    await a.ask("broadcast", content=CANARY, audience={"users": [CANARY]})
    await a.ask("decide_tool", run_id=MISSING, call_id="c", decision=CANARY)
    await a.answer_to(f'{{"type":"ping","payload":{{"ack":"{CANARY}"}}}}')
    await a.answer_to(f'{{"type":"ping","payload":"{CANARY}"}}')
    await a.answer_to(f"{CANARY} is no JSON")
    status = await asyncio.to_thread(
        Pages(production).post, "/accounts/login/", username="nobody", password=CANARY
    )

    assert status == 200
    assert all(each["level"] in {"info", "warning", "error"} for each in lines(production))
    for secret in (CANARY, alice.session_key, settings.SECRET_KEY):
        assert secret not in production.output


async def test_no_metric_is_of_a_person(unbroken, lab, alice):
    """Rows 82, 86: neither who it was nor what was sent is in a label."""
    async with await lab.connect(alice) as a:
        assert_error(await a.ask(CANARY, "x"), "x", "unknown_type", received_type=CANARY)
        await a.ask("thread_history", thread_id=MISSING)
        assert (await a.ask("test.fail"))["payload"]["code"] == "internal"
        pages = [await asyncio.to_thread(process.get, "/metrics") for process in lab.processes]

    assert {status for status, _ in pages} == {200}
    told = b"".join(body for _, body in pages).decode()
    assert 'chatrouting_messages_refused_total{code="unknown_type"}' in told
    shown = (CANARY, MISSING, alice.name, alice.session_key, a.welcome["connection_id"])
    assert not any(each in told for each in shown)


@contextlib.asynccontextmanager
async def nobody_else_writes():
    """Hold the right to write receipts until the block is left."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            if connection.vendor == "postgresql":
                table = connection.ops.quote_name(Receipt._meta.db_table)
                connection.cursor().execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            held.set()
            assert release.wait(15)

    holding = asyncio.create_task(in_database(hold))
    assert await asyncio.to_thread(held.wait, 10)
    try:
        yield
    finally:
        release.set()
        await holding


async def test_work_that_came_too_late_is_found_by_the_same_id(production, a):
    """Row 108: its result was thrown away; repeated, the message gets the truth, and its work was done once."""
    async with nobody_else_writes():
        late = await a.ask("create_thread", "late", title="Kept")
        assert (await a.ask("heartbeat"))["type"] == "heartbeat_ack"
    assert_error(late, "late", "handler_timeout", retry_after_ms=1_000)

    async def threads():
        return (await a.ask("list_threads"))["payload"].get("threads")

    (kept,) = await until(threads, 10)
    again = await a.ask("create_thread", "late", title="Kept")
    assert again["type"] == "thread_created"
    assert again["payload"] | {"duplicate": True} == again["payload"]
    assert again["payload"]["thread_id"] == kept["thread_id"]
    assert len(await threads()) == 1
    assert len(a.answers("late")) == 2
