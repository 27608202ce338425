"""Rows of sockets that end go from the database, also where that fails at first or comes too early."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, transaction

from chatrouting.chat.models import Presence
from chatrouting.connections import live as module
from chatrouting.connections import registry
from chatrouting.connections.models import Connection, Process
from chatrouting.database import in_database
from chatrouting.testing.people import make_people, make_person
from chatrouting.testing.system import wait_until
from tests.agents.at_once import stands_at_a_lock
from tests.agents.waiting import until
from tests.connections.rows import Socket, a_row, open_row, row_of

MANY = 1_500  # more than a process has database calls waiting


class Held:
    """A function of the registry that waits in its thread until it may go on."""

    def __init__(self, monkeypatch, name):
        self.function = getattr(registry, name)
        self.begun, self.goes_on, self.done = (threading.Event() for _ in range(3))
        monkeypatch.setattr(registry, name, self)

    def __call__(self, *args):
        self.begun.set()
        assert self.goes_on.wait(10)
        try:
            return self.function(*args)
        finally:
            self.done.set()


async def a_socket(live):
    socket = Socket(await in_database(a_row))
    await live.add(socket)
    return socket


async def happened(event):
    assert await asyncio.to_thread(event.wait, 10)


async def being_added(live, monkeypatch):
    """A socket whose row is about to be written, what holds that up, and who waits for it."""
    socket = Socket(await in_database(a_row))
    opening = Held(monkeypatch, "open_connections")
    adding = asyncio.create_task(live.add(socket))
    await happened(opening.begun)
    return socket, opening, adding


async def stored(socket):
    return await in_database(Connection.objects.filter(pk=socket.row.pk).count)


async def gone(live, socket):
    """Wait until a heartbeat has found the row."""

    async def found():
        await live._keep_once(socket.row.process_id)
        return not await stored(socket)

    await until(found)


async def test_many_sockets_that_drop_together_leave_no_row(live):
    """Row 59: zero ghosts, without a heartbeat."""
    people = await in_database(make_people, MANY // 20)
    sockets = [Socket(row_of(person)) for person in people for _ in range(20)]
    for start in range(0, MANY, 100):
        await asyncio.gather(*(live.add(each) for each in sockets[start : start + 100]))
    process_id = sockets[0].row.process_id
    rows = Connection.objects.filter(process_id=process_id)
    assert await in_database(rows.count) == MANY

    await asyncio.gather(*(live.remove(socket) for socket in sockets))

    assert await in_database(rows.all().count) == 0
    assert not live._in_doubt


async def test_a_row_that_could_not_be_removed_goes_with_a_heartbeat(live, monkeypatch, caplog):
    """Row 59: the database was away when the socket ended."""
    socket = await a_socket(live)

    def away(keys):
        raise OperationalError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(registry, "close_connections", away)
        await live.remove(socket)
        with pytest.raises(OperationalError):
            await live._keep_once(socket.row.process_id)
    assert await stored(socket) == 1

    await live._keep_once(socket.row.process_id)

    assert await stored(socket) == 0
    assert "1 sockets that are gone were still in the database" in caplog.text


async def test_a_socket_does_not_wait_for_ever_for_its_row_to_go(live, monkeypatch):
    """Row 60: what comes of it is looked at by a heartbeat."""
    socket = await a_socket(live)
    monkeypatch.setattr(module, "ROW_SECONDS", 0.05)
    closing = Held(monkeypatch, "close_connections")

    await asyncio.wait_for(live.remove(socket), 2)

    assert live._in_doubt
    closing.goes_on.set()
    await gone(live, socket)


async def test_a_clean_up_that_is_cancelled_leaves_the_row_to_a_heartbeat(live, monkeypatch):
    socket = await a_socket(live)
    closing = Held(monkeypatch, "close_connections")
    removing = asyncio.create_task(live.remove(socket))
    await happened(closing.begun)

    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)

    assert live._in_doubt
    closing.goes_on.set()
    await gone(live, socket)


async def test_a_row_that_comes_back_after_its_socket_closed_goes(live, monkeypatch):
    """Row 59: the socket closes while its process registers again."""
    closing, staying = await a_socket(live), await a_socket(live)
    process_id = closing.row.process_id
    await in_database(registry.end_process, process_id)
    restoring = Held(monkeypatch, "restore_process")
    keeping = asyncio.create_task(live._keep_once(process_id))
    await happened(restoring.begun)

    await live.remove(closing)
    restoring.goes_on.set()
    await keeping

    assert (await stored(closing), await stored(staying)) == (0, 1)


async def test_a_row_that_is_written_after_its_socket_was_given_up_goes(live, monkeypatch):
    """Row 60: the thread that writes it cannot be cancelled."""
    process_id = (await a_socket(live)).row.process_id
    socket, opening, adding = await being_added(live, monkeypatch)

    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)
    await live.remove(socket)
    opening.goes_on.set()
    await happened(opening.done)

    assert socket.row.process_id == process_id
    await gone(live, socket)


async def test_a_socket_that_is_let_go_does_not_bring_its_process_back(live, monkeypatch):
    """Row 70: a drained process stays out of the database."""
    process_id = (await a_socket(live)).row.process_id
    socket, opening, adding = await being_added(live, monkeypatch)

    await live.remove(socket)
    await in_database(registry.end_process, process_id)
    opening.goes_on.set()

    assert await adding is False
    assert not await in_database(Process.objects.filter(pk=process_id).exists)


def close_elsewhere(key):
    try:
        registry.close_connections([key])
    finally:
        connection.close()


def test_of_two_processes_that_lose_a_users_last_sockets_at_once_one_sees_that_they_left(services):
    """Row 60: each would else still see the other's row, and the user be online for ever."""
    first, second = registry.begin_process(), registry.begin_process()
    person = make_person()
    rows = [row_of(person, process_id) for process_id in (first, second)]
    for row in rows:
        open_row(row)

    with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
        registry.close_connections([rows[0].pk])
        closing = elsewhere.submit(close_elsewhere, rows[1].pk)
        wait_until(lambda: closing.done() or stands_at_a_lock(), "the other process")
    closing.result(timeout=10)

    assert Presence.objects.get(user_id=person.user_id).left_at is not None
