"""One socket, below the server: what it says, when, and that it lets go of everything."""

import asyncio

import msgspec
import pytest

from chatrouting import counters
from chatrouting.agents.messages import RunQueued
from chatrouting.conf import chat_settings
from chatrouting.connections import consumer
from chatrouting.connections.models import Connection
from chatrouting.connections.welcome import asked_position
from chatrouting.database import in_database
from chatrouting.stream.delivery import Position
from chatrouting.stream.doorbell import channel_layer, user_group
from chatrouting.stream.listening import listeners
from chatrouting.stream.publishing import Event, publish
from chatrouting.testing.people import make_person
from tests.agents.waiting import until
from tests.connections.wire import Wire

pytestmark = pytest.mark.usefixtures("consumers")


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("", None),
        ("other=1", None),
        ("epoch=e&seq=5", Position("e", 5)),
        ("seq=5&epoch=e&x=1", Position("e", 5)),
        ("epoch=e&seq=0", Position("e", 0)),
        ("epoch=e&seq=007", Position("e", 7)),
        ("epoch=e&seq=999999999999999", Position("e", 999999999999999)),
        ("epoch=e&epoch=f&seq=1&seq=2", Position("e", 1)),
        ("epoch=%C3%A9&seq=1", Position("é", 1)),
        ("epoch=e", Position("", 0)),
        ("seq=5", Position("", 0)),
        ("epoch=&seq=5", Position("", 0)),
        ("epoch=e&seq=", Position("", 0)),
        ("epoch=e&seq=-1", Position("", 0)),
        ("epoch=e&seq=+1", Position("", 0)),
        ("epoch=e&seq=1.5", Position("", 0)),
        ("epoch=e&seq=1e3", Position("", 0)),
        ("epoch=e&seq=x", Position("", 0)),
        ("epoch=e&seq=%D9%A3", Position("", 0)),
        ("epoch=e&seq=%C2%B2", Position("", 0)),
        ("epoch=e&seq=" + "9" * 16, Position("", 0)),
        ("epoch=e&seq=" + "9" * 5_000, Position("", 0)),
    ],
)
def test_a_position_is_asked_for_in_the_query(query, position):
    """Row 18: numbers out of range in any field → never a crash."""
    assert asked_position(query.encode()) == position


@pytest.mark.parametrize(
    "query", [b"\xff\xfe", b"epoch=%FF&seq=1", b"%zz=%", b"&&&=;=", b"epoch=%00&seq=1"]
)
def test_a_query_of_rubbish_is_no_crash(query):
    asked_position(query)


async def someone():
    return await in_database(make_person)


def sockets_of(person):
    """The sockets that listen for the person in this process, and the members of the group they share."""
    listening = listeners()._users.get(person.user_id)
    members = channel_layer().here._groups.get(user_group(person.user_id), ())
    return (len(listening.ears) if listening else 0, len(members))


async def test_the_first_frame_is_the_welcome(live):
    """Row 1: first frame is welcome with connection id, user id, limits, heartbeat, position."""
    person = await someone()
    async with Wire(person.cookie) as wire:
        welcome = (await wire.until("welcome"))["payload"]

    assert wire.shape[:2] == ["websocket.accept", "welcome"]
    assert welcome["user_id"] == person.user_id
    assert welcome["recovered"] is None


async def test_without_a_session_there_is_a_bye_and_nothing_else(live):
    """Row 2: accepted, bye, close 4401; no other frame is sent."""
    async with Wire() as wire:
        wire.say("ping")
        await wire.until("websocket.close")

    assert wire.shape == ["websocket.accept", "bye", "websocket.close"]
    assert wire.close_code == 4401


async def test_messages_sent_with_the_handshake_are_answered_once_ready(live):
    """Row 8: processed once each, in order, once ready; none lost."""
    async with Wire((await someone()).cookie) as wire:
        wire.say("heartbeat")
        wire.say("ping")
        await wire.until("pong")

    assert wire.shape == ["websocket.accept", "welcome", "heartbeat_ack", "pong"]


async def test_an_event_reaches_the_socket_of_its_user(live):
    person = await someone()
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        await publish([person.user_id], Event(RunQueued(position=1)))

        assert (await wire.until("run_queued"))["seq"] == 1


async def test_an_event_that_comes_before_the_welcome_is_sent_after_it(live):
    """Row 45: nothing falls between."""
    person = await someone()
    async with Wire(person.cookie) as wire:
        wire.holds = {"websocket.accept"}
        await asyncio.wait_for(wire.held.wait(), 5)
        await publish([person.user_id], Event(RunQueued(position=1)))
        wire.go.set()
        await wire.until("run_queued")

    assert wire.shape == ["websocket.accept", "welcome", "run_queued"]


async def test_what_was_missed_follows_the_welcome_in_order(live):
    """Row 45, 66."""
    person = await someone()
    records = [
        (await publish([person.user_id], Event(RunQueued(position=n))))[0] for n in (1, 2, 3)
    ]
    async with Wire(person.cookie, f"epoch={records[0].epoch}&seq=1") as wire:
        wire.say("ping")
        await wire.until("pong")

    assert wire.frames[0]["payload"]["recovered"] is True
    assert [frame["seq"] for frame in wire.frames[1:3]] == [2, 3]


async def test_a_layer_message_never_passes_for_a_clients_frame(live, caplog):
    """Row 4: no way in but the socket."""
    person = await someone()
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        forged = '{"type":"ping","id":"x","payload":{}}'
        await channel_layer().group_send(
            user_group(person.user_id), {"type": "websocket.receive", "text": forged}
        )
        await publish([person.user_id], Event(RunQueued(position=1)))
        await wire.until("run_queued")

    assert "pong" not in wire.shape
    assert "was dropped" in caplog.text


async def test_a_foreign_event_closes_the_socket_and_is_not_sent(live):
    """Row 76: an event addressed to A never appears at B."""
    alice, bob = await someone(), await someone()
    async with Wire(bob.cookie) as wire:
        await wire.until("welcome")
        (record,) = await publish([alice.user_id], Event(RunQueued(position=1)))
        await channel_layer().group_send(
            user_group(bob.user_id),
            {"type": "event.deliver", "owner": record.owner, "epoch": record.epoch,
             "seq": record.seq, "body": record.body},
        )  # fmt: skip
        await wire.until("websocket.close")

    assert wire.close_code == 4103
    assert "run_queued" not in wire.shape


async def test_a_socket_that_takes_no_frame_in_time_is_closed_as_too_slow(live, monkeypatch):
    """Row 43: closed with 4202."""
    person, closed = await someone(), counters.connections_closed.labels(4202)
    before = closed._value.get()
    monkeypatch.setattr(consumer, "chat_settings", quick_to_give_up)
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        wire.holds = {"run_queued"}
        await publish([person.user_id], Event(RunQueued(position=1)))
        await wire.ended()

    assert wire.shape == ["websocket.accept", "welcome"]
    assert closed._value.get() == before + 1


async def test_one_that_is_gone_before_its_farewell_was_taken_is_given_up_in_order(
    live, monkeypatch, caplog
):
    """The clean-up leaves the farewell its time: what is kept for the other side is dropped at its end."""
    monkeypatch.setattr(consumer, "chat_settings", quick_to_give_up)
    monkeypatch.setattr(consumer, "CLEAN_UP_SECONDS", 0.05)
    async with Wire() as wire:
        wire.holds = {"websocket.close"}
        await asyncio.wait_for(wire.held.wait(), 5)
        await wire.leave()

    assert "not cleaned up whole" not in caplog.text


def quick_to_give_up():
    return msgspec.structs.replace(chat_settings(), send_seconds=0.2)


async def test_a_socket_that_is_gone_is_let_go(live):
    """Row 60: no entry in any table, group or cache."""
    person = await someone()
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        assert (len(live), sockets_of(person)) == (1, (1, 1))
        await wire.leave()

        assert (len(live), sockets_of(person)) == (0, (0, 0))
        rows = Connection.objects.filter(user_id=person.user_id).exists
        assert not await in_database(rows)


async def test_a_frame_for_a_client_that_is_gone_is_counted_and_no_error(live, caplog):
    """Row 63: sending to a closed socket → counted, no exception to others."""
    person, before = await someone(), counters.frames_unsent._value.get()
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        wire.breaks = {"run_queued"}
        await publish([person.user_id], Event(RunQueued(position=1)))

        async def counted():
            return counters.frames_unsent._value.get() > before

        await until(counted)
        await wire.leave()

    assert len(live) == 0
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_opened_less_closed_is_what_is_open_also_when_connecting_fails(live, monkeypatch):
    """Row 58."""

    def count():
        closed = sum(
            sample.value
            for metric in counters.connections_closed.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
        return counters.connections_opened._value.get() - closed

    person, before = await someone(), count()
    async with Wire(person.cookie) as wire:
        wire.breaks = {"websocket.accept"}
        await wire.ended()

    assert count() == before


async def test_a_socket_that_comes_while_the_process_drains_is_sent_away(live):
    """Row 70: bye 4200."""
    live.draining = True
    async with Wire((await someone()).cookie) as wire:
        await wire.until("websocket.close")

    assert wire.shape == ["websocket.accept", "bye", "websocket.close"]
    assert (wire.close_code, len(live)) == (4200, 0)


async def test_a_socket_that_is_being_welcomed_when_the_drain_begins_says_no_more(
    live, monkeypatch
):
    """Row 70: after its bye a socket stays closed."""
    person, adding, go = await someone(), asyncio.Event(), asyncio.Event()
    add = live.add

    async def slow_add(connection):
        await add(connection)
        adding.set()
        await go.wait()

    monkeypatch.setattr(live, "add", slow_add)
    async with Wire(person.cookie) as wire:
        await asyncio.wait_for(adding.wait(), 5)
        draining = asyncio.create_task(live.drain(0))
        await wire.until("websocket.close")
        go.set()
        await wire.leave()
        await draining

    assert wire.shape == ["websocket.accept", "bye", "websocket.close"]
