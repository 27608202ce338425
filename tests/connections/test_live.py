"""The sockets of a process: counted, told of, drained, and gone from the database when they are gone."""

import asyncio
import time
from datetime import timedelta

from django.db import OperationalError

from chatrouting import counters
from chatrouting.conf import ChatSettings
from chatrouting.connections import live as module
from chatrouting.connections import registry
from chatrouting.connections.models import Connection, Process
from chatrouting.database import in_database
from routing_core.closing import CloseCode
from tests.agents.waiting import until
from tests.connections.rows import Socket, a_row


class Leaving(Socket):
    """A socket that goes when it is told to."""

    def __init__(self, row, live):
        super().__init__(row)
        self.live = live
        self.at = 0.0

    def end(self, code):
        super().end(code)
        self.at = time.monotonic()
        self.leaving = asyncio.create_task(self.live.remove(self))


async def a_socket(live, kind=Socket):
    row = await in_database(a_row)
    socket = kind(row) if kind is Socket else kind(row, live)
    await live.add(socket)
    return socket


async def stored(socket):
    return await in_database(Connection.objects.filter(pk=socket.row.pk).first)


def count(counter):
    return counter._value.get()


async def test_a_socket_is_in_the_database_while_it_is_open(live):
    """Row 58, 60."""
    socket = await a_socket(live)
    assert (len(live), (await stored(socket)).pk) == (1, socket.row.pk)

    await live.remove(socket)

    assert (len(live), await stored(socket)) == (0, None)


async def test_sockets_that_open_at_once_share_one_process(live):
    sockets = await asyncio.gather(*(a_socket(live) for _ in range(10)))

    assert len({socket.row.process_id for socket in sockets}) == 1
    assert len(live) == 10


async def test_opened_closed_and_active_are_counted(live):
    """Row 58: connection removed, active −1, disconnections +1 at once."""
    closed = counters.connections_closed.labels(1000)
    before = [count(each) for each in (counters.connections_opened, closed)]
    active = count(counters.connections_active)
    socket = await a_socket(live)
    assert count(counters.connections_active) == active + 1

    socket.close_code = 1000
    await live.remove(socket)

    after = [count(each) for each in (counters.connections_opened, closed)]
    assert after == [each + 1 for each in before]
    assert count(counters.connections_active) == active


async def test_a_socket_is_removed_once(live):
    socket = await a_socket(live)
    closed = counters.connections_closed.labels(1006)
    await live.remove(socket)
    before = count(closed)

    await live.remove(socket)

    assert count(closed) == before


async def test_a_socket_that_goes_before_its_row_is_written_leaves_none(live):
    """Row 60: no entry in any table."""
    socket = Socket(await in_database(a_row))
    adding = asyncio.create_task(live.add(socket))
    while not len(live):  # noqa: ASYNC110 - reason: nothing tells of it
        await asyncio.sleep(0)
    await live.remove(socket)

    await adding
    await live._keep_once(socket.row.process_id)

    assert await stored(socket) is None


async def test_a_socket_that_was_never_taken_in_is_not_counted_as_closed(live):
    closed = counters.connections_closed.labels(1006)
    before = count(closed)

    await live.remove(Socket(await in_database(a_row)))

    assert count(closed) == before


async def test_a_socket_opens_with_its_position(live):
    row = await in_database(a_row)
    socket = Socket(row)
    socket.position = 7

    await live.add(socket)

    assert (await stored(socket)).position == 7


async def test_a_heartbeat_tells_the_position(live):
    socket = await a_socket(live)
    socket.position = 9

    await live._keep_once(socket.row.process_id)

    assert (await stored(socket)).position == 9


async def test_a_heartbeat_tells_only_what_changed_since_the_last(live):
    socket = await a_socket(live)
    await live._keep_once(socket.row.process_id)
    await in_database(Connection.objects.filter(pk=socket.row.pk).update, position=99)

    await live._keep_once(socket.row.process_id)

    assert (await stored(socket)).position == 99


async def test_a_heartbeat_tells_of_as_many_as_one_write_takes_and_the_next_of_the_others(
    live, monkeypatch
):
    monkeypatch.setattr(registry, "BATCH", 2)
    sockets = [await a_socket(live) for _ in range(3)]
    for socket in sockets:
        socket.position = 1
    process_id = sockets[0].row.process_id

    async def told():
        return [(await stored(socket)).position for socket in sockets]

    await live._keep_once(process_id)
    assert await told() == [1, 1, 0]
    sockets[0].position = 2
    await live._keep_once(process_id)

    assert await told() == [2, 1, 1]


async def test_a_heartbeat_goes_on_after_a_database_that_was_away(live, monkeypatch, caplog):
    monkeypatch.setattr(
        module, "chat_settings", lambda: ChatSettings(process_heartbeat_seconds=0.02)
    )
    keep_alive, answers = registry.keep_alive, []

    def away_once(process_id, changed):
        answers.append(None if answers else OperationalError("database is locked"))
        if answers[-1] is not None:
            raise answers[-1]
        return keep_alive(process_id, changed)

    monkeypatch.setattr(registry, "keep_alive", away_once)
    socket = await a_socket(live)
    socket.position = 7

    async def told():
        return (await stored(socket)).position == 7

    await until(told)
    (line,) = [each for each in caplog.records if "registry could not be written" in each.message]
    assert (line.levelname, line.exc_info) == ("WARNING", None)


async def test_a_process_that_was_swept_registers_its_sockets_as_they_stand(live, caplog):
    """Row 59: swept by mistake, as after a long pause, it is there again."""
    socket = await a_socket(live)
    await in_database(registry.end_process, socket.row.process_id)
    socket.position, seen = 5, socket.row.seen_at + timedelta(seconds=1)
    socket.row.seen_at = seen

    await live._keep_once(socket.row.process_id)

    row = await stored(socket)
    assert (row.position, row.seen_at) == (5, seen)
    assert "registers again" in caplog.text


async def test_a_socket_that_opens_after_its_process_was_swept_brings_it_back(live):
    """Row 59: and the sockets that are open with it."""
    before = await a_socket(live)
    await in_database(registry.end_process, before.row.process_id)

    after = await a_socket(live)

    assert (await stored(before)).process_id == (await stored(after)).process_id


async def at_address(live, address):
    row = await in_database(a_row)
    row.address = address
    socket = Socket(row)
    await live.add(socket)
    return socket


async def test_an_address_over_its_limit_is_refused(live, monkeypatch):
    """Row 10: per address; whoever comes by a unix socket has none."""
    few = ChatSettings(connections_per_address=2)
    monkeypatch.setattr("chatrouting.connections.live.chat_settings", lambda: few)
    for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", None, None, None):
        await at_address(live, address)

    found = [live.refusal(address) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3", None)]

    assert found == [CloseCode.OVER_CAPACITY, None, None, None]


async def test_an_address_is_forgotten_with_its_last_socket(live):
    """Row 60: no entry is left."""
    sockets = [await at_address(live, address) for address in ("192.0.2.1", "192.0.2.1", None)]
    await live.remove(sockets[0])
    assert live._addresses == {"192.0.2.1": 1, "": 1}

    for socket in (sockets[0], *sockets[1:]):
        await live.remove(socket)

    assert live._addresses == {}


async def test_a_drain_tells_every_socket_and_waits_until_they_are_gone(live):
    """Row 70: bye 4200, every consumer cleaned up."""
    sockets = [await a_socket(live, Leaving) for _ in range(5)]

    await live.drain(0.05)

    assert [socket.told for socket in sockets] == [[CloseCode.DRAINING]] * 5
    assert len(live) == 0


async def test_a_drain_is_spread_over_its_time(live):
    """Row 70: spread over the drain window."""
    sockets = [await a_socket(live, Leaving) for _ in range(5)]

    await live.drain(0.5)

    times = [socket.at for socket in sockets]
    assert 0.35 <= max(times) - min(times) <= 1


async def test_a_drain_does_not_wait_for_ever_for_a_socket_that_stays(live, caplog, monkeypatch):
    monkeypatch.setattr("chatrouting.connections.live.DRAIN_GRACE_SECONDS", 0.05)
    await a_socket(live)

    await asyncio.wait_for(live.drain(0), 2)

    assert "1 sockets did not end in time" in caplog.text


async def test_a_drained_process_is_gone_from_the_database(live):
    socket = await a_socket(live, Leaving)

    await live.drain(0)

    found = Process.objects.filter(pk=socket.row.process_id).exists
    assert not await in_database(found)
