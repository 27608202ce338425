"""Messages that are refused because too many come: each is answered, few are told to the log."""

import asyncio
import json
import logging

import pytest

from chatrouting.chat.context import Context
from chatrouting.connections import refusals as module
from chatrouting.connections.dispatching import chat_dispatcher
from chatrouting.connections.refusals import Refusals, pause
from chatrouting.threads.rules import Person
from routing_core.errors import Overloaded, RateLimited
from routing_core.limits import Pace, Rate

CONTEXT = Context(Person("7", "ann"), "connection", "digest")


class Socket:
    """Refuses messages, and shows what their errors carry."""

    def __init__(self):
        self.dispatcher = chat_dispatcher()
        self.refusals = Refusals(self.dispatcher)

    def refuse(self, error, id="m"):
        incoming = self.dispatcher.read(CONTEXT, f'{{"type":"ping","id":"{id}"}}')
        return json.loads(self.refusals.refuse(incoming, error).frame)


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


async def test_one_line_of_the_log_speaks_of_many(lines):
    """Rows 105, 112: every error carries the trace id that stands there."""
    socket = Socket()
    answers = [socket.refuse(RateLimited(retry_after_ms=n), f"m{n}") for n in range(1, 101)]

    assert [each["id"] for each in answers] == [f"m{n}" for n in range(1, 101)]
    assert [each["payload"]["retry_after_ms"] for each in answers] == list(range(1, 101))
    (trace_id,) = {each["payload"]["trace_id"] for each in answers}
    assert lines() == [f"trace {trace_id}: message 'ping' got rate_limited ''"]


async def test_each_reason_has_its_line():
    socket = Socket()
    traces = {socket.refuse(kind())["payload"]["trace_id"] for kind in (RateLimited, Overloaded)}

    assert len(traces) == 2


async def test_how_many_more_there_were_is_told_at_the_end(lines):
    socket = Socket()
    for _ in range(3):
        trace_id = socket.refuse(RateLimited())["payload"]["trace_id"]
    socket.refuse(Overloaded())
    socket.refusals.close()
    socket.refusals.close()

    assert lines()[2:] == [f"trace {trace_id}: 2 more messages got rate_limited"]


async def test_after_a_while_there_is_another_line(lines, monkeypatch):
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0)
    socket = Socket()
    first, second = (socket.refuse(RateLimited())["payload"]["trace_id"] for _ in range(2))

    assert first != second
    assert len(lines()) == 2


async def test_a_person_is_refused_at_a_pace(monkeypatch):
    """Row 114: over all their sockets in the process; another waits for nothing."""
    pace = Pace(Rate(500, 100))
    monkeypatch.setattr(module, "_pace", lambda: pace)
    loop = asyncio.get_running_loop()

    async def refused(user_id, times):
        began = loop.time()
        for _ in range(times):
            await pause(user_id)
        return loop.time() - began

    assert await refused("bob", 90) < 0.1
    await asyncio.gather(*(refused("alice", 50) for _ in range(4)))
    assert await refused("bob", 5) < 0.1
    lasted = await refused("alice", 100)
    assert (
        lasted >= 0.2 - 0.05 - 0.02
    )  # the shortest pause, which the next takes along, and the clock


async def test_no_pause_is_so_long_that_a_socket_seems_silent(monkeypatch):
    """Row 6: its heartbeats are read in time."""
    pace = Pace(Rate(0.001, 1))
    monkeypatch.setattr(module, "_pace", lambda: pace)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.05)
    async with asyncio.timeout(2):
        for _ in range(5):
            await pause("alice")
