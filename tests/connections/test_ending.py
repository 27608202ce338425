"""The end of a socket is whole, whoever has no more patience with it."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chatrouting.connections import consumer, registry
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.stream.listening import listeners
from chatrouting.testing.people import make_person
from tests.agents.waiting import until
from tests.connections.wire import Wire

pytestmark = pytest.mark.usefixtures("consumers")

ROOT = Path(__file__).resolve().parents[2]
IMPATIENCE = 3  # how often a server cancels its application


class Cut(Wire):
    """A server that does not wait for its application's end."""

    async def __aexit__(self, *error):
        self.go.set()

    async def cut(self):
        """Cancel it again and again, as daphne does each second; it does not outlive that."""
        for _ in range(IMPATIENCE):
            self._application.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({self._application}, timeout=5)


class Stuck:
    """A database that does not get on with the removal of rows until it may."""

    def __init__(self, monkeypatch):
        self.function, self.goes_on = registry.close_connections, threading.Event()
        self.begun = threading.Event()
        monkeypatch.setattr(registry, "close_connections", self)

    def __call__(self, keys):
        self.begun.set()
        assert self.goes_on.wait(10)
        return self.function(keys)


@pytest.fixture
async def person(services):
    return await in_database(make_person)


@pytest.fixture
def stuck(live, monkeypatch):
    database = Stuck(monkeypatch)
    yield database
    database.goes_on.set()


async def leaving(wire, stuck):
    """Its client is gone, and its clean-up has come to the database."""
    await wire.until("welcome")
    wire._from_client.put_nowait({"type": "websocket.disconnect", "code": 1006})
    assert await asyncio.to_thread(stuck.begun.wait, 5)


def is_heard_of(person):
    return person.user_id in listeners()._users


async def nothing_is_left(live, person):
    async def gone():
        rows = Connection.objects.filter(user_id=person.user_id)
        return not (await in_database(rows.exists) or is_heard_of(person) or len(live))

    await until(gone)


async def test_a_socket_that_is_cancelled_again_and_again_leaves_nothing(live, person):
    """Row 60: no entry in any table, group or cache."""
    async with Cut(person.cookie) as wire:
        await wire.until("welcome")
        await wire.cut()

        await nothing_is_left(live, person)


async def test_a_socket_that_is_cancelled_in_its_clean_up_leaves_nothing(live, person, stuck):
    """Row 60: as above."""
    async with Cut(person.cookie) as wire:
        await leaving(wire, stuck)
        await wire.cut()
        stuck.goes_on.set()

        await nothing_is_left(live, person)


async def test_what_a_cancelled_socket_was_asked_is_not_served_for_ever(
    live, person, stuck, monkeypatch
):
    """Row 60: no task serves on that nobody owns."""
    monkeypatch.setattr(consumer, "CLEAN_UP_SECONDS", 0.2)
    serving = asyncio.Event()

    async def handled(*given):
        serving.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("chatrouting.connections.intake.admit", handled)
    async with Cut(person.cookie) as wire:
        await wire.until("welcome")
        wire.say("list_threads")
        await asyncio.wait_for(serving.wait(), 5)
        (server,) = [task for task in asyncio.all_tasks() if task.get_name() == "inbox"]
        await leaving(wire, stuck)
        await wire.cut()

        await asyncio.wait({server}, timeout=5)
        assert server.cancelled()


async def test_a_socket_hears_nothing_while_its_row_cannot_go(live, person, stuck):
    """Row 60: what is in memory does not wait for the database."""
    async with Cut(person.cookie) as wire:
        await leaving(wire, stuck)

        assert not is_heard_of(person)
        stuck.goes_on.set()
        await wire.ended()


def test_daphne_waits_for_a_clean_up_as_long_as_it_may_take():
    """Else it would say that it killed what was ending in order."""
    code = """
import socket
from chatrouting.connections.consumer import longest_clean_up
from chatrouting.serving.daphne import DaphneServer
server = DaphneServer(None, socket.create_server(("127.0.0.1", 0)))
print(longest_clean_up(), server.application_close_timeout)
"""
    command = [sys.executable, "-c", f"import django; django.setup(){code}"]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    takes, waits = map(float, told.stdout.split())
    assert takes < waits < 60
