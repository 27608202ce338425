"""From the log to one socket: every event once, in order, and nobody else's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatrouting import counters
from chatrouting.stream.delivery import ForeignEvent, Position, PositionLost
from chatrouting.stream.valkey import valkey
from tests.stream.sockets import Socket
from tests.stream.streams import body, fill, meta_key, new_id, stream_key


async def test_a_first_connect_begins_at_the_top():
    socket = Socket()
    await fill(socket.log, socket.user_id, 3)

    assert await socket.open(None) is None

    assert (socket.seqs, socket.delivery.top) == ([], 3)


async def test_a_resume_sends_exactly_what_was_missed():
    """Row 45: exactly the missed events, in their order, once. Row 66."""
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 5)

    assert await socket.open(Position(records[0].epoch, 2)) is True

    assert socket.seqs == [3, 4, 5]
    assert [frame["payload"]["text"] for frame in socket.frames] == ["3", "4", "5"]


async def test_a_resume_longer_than_a_page_is_whole():
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 450)

    await socket.open(Position(records[0].epoch, 0))

    assert socket.seqs == list(range(1, 451))


@pytest.mark.parametrize("seq", [4, 10**15 - 1])
async def test_a_resume_ahead_of_the_top_is_refused_and_sends_nothing(seq):
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)

    assert await socket.open(Position(records[0].epoch, seq)) is False

    assert (socket.seqs, socket.delivery.cursor.seq) == ([], 3)


async def test_a_resume_in_another_epoch_is_refused_and_sends_nothing():
    socket = Socket()
    await fill(socket.log, socket.user_id, 3)

    assert await socket.open(Position(new_id(), 1)) is False

    assert socket.seqs == []


async def test_a_resume_of_a_pruned_position_is_refused_and_sends_nothing():
    """Row 46: nothing of a range that is not whole, and it is counted."""
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)
    await valkey().call("XTRIM", stream_key(socket.user_id), "MAXLEN", 1)
    refused = counters.resumes.labels("false")
    before = refused._value.get()

    assert await socket.open(Position(records[0].epoch, 1)) is False

    assert (socket.seqs, refused._value.get()) == ([], before + 1)


async def test_anothers_position_opens_ones_own_stream():
    """Row 68: a position of user A used by user B reveals nothing."""
    alice, bob = Socket(), Socket()
    theirs = await fill(alice.log, alice.user_id, 5)

    assert await bob.open(Position(theirs[0].epoch, 2)) is False

    assert bob.seqs == []


async def test_what_the_bell_tells_is_sent():
    socket = Socket()
    await socket.open(None)

    await socket.heard(await socket.append("hello"))

    assert socket.frames == [{"seq": 1, "type": "t", "payload": {"text": "hello"}}]


async def test_a_bell_that_rings_twice_sends_once():
    socket = Socket()
    await socket.open(None)
    record = await socket.append()

    await socket.heard(record)
    await socket.heard(record)

    assert socket.seqs == [1]


async def test_a_bell_without_a_seq_changes_nothing():
    """An event that was appended before rings with seq 0."""
    socket = Socket()
    await socket.open(None)
    record = await socket.append()
    await socket.heard(record)

    await socket.heard(replace(record, seq=0))

    assert (socket.seqs, socket.delivery.cursor.seq) == ([1], 1)


async def test_a_gap_is_read_from_the_log():
    socket = Socket()
    await socket.open(None)
    records = [await socket.append() for _ in range(3)]

    await socket.heard(records[2])

    assert socket.seqs == [1, 2, 3]


async def test_a_gap_that_the_log_has_no_more_ends_the_position():
    socket = Socket()
    await socket.open(None)
    records = [await socket.append() for _ in range(3)]
    await valkey().call("XTRIM", stream_key(socket.user_id), "MAXLEN", 1)

    await socket.heard(records[2])

    assert (socket.seqs, socket.why) == ([], [PositionLost])


async def test_an_event_of_a_new_epoch_ends_the_position():
    socket = Socket()
    await socket.append()
    await socket.open(None)
    await valkey().call("DEL", meta_key(socket.user_id))

    await socket.heard(await socket.append())

    assert (socket.seqs, socket.why) == ([], [PositionLost])


async def test_events_pruned_while_they_are_replayed_end_the_position():
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)
    await socket.delivery.open(Position(records[0].epoch, 0))
    await valkey().call("XTRIM", stream_key(socket.user_id), "MAXLEN", 1)

    socket.delivery.start()
    await socket.settled()

    assert socket.why == [PositionLost]


async def test_an_event_of_another_user_in_the_stream_never_reaches_the_socket():
    """Rows 76, 98: event addressed to A and put into B's stream never appears at B, and is counted."""
    socket, alice = Socket(), new_id()
    (first,) = await fill(socket.log, socket.user_id, 1)
    await valkey().call("HINCRBY", meta_key(socket.user_id), "seq", 1)
    await valkey().call("XADD", stream_key(socket.user_id), "2-0", "o", alice, "d", body("theirs"))
    lost = counters.events_lost.labels("foreign")
    before = lost._value.get()

    await socket.open(Position(first.epoch, 0))

    assert (socket.seqs, lost._value.get()) == ([1], before + 1)
    assert socket.why == [ForeignEvent]


async def test_an_event_of_another_user_on_the_bell_never_reaches_the_socket():
    """Row 76."""
    socket, alice = Socket(), Socket()
    await socket.open(None)
    foreign = await alice.append("for alice alone")

    await socket.heard(foreign)

    assert (socket.frames, socket.why) == ([], [ForeignEvent])


bells = st.lists(st.tuples(st.sampled_from(["append", "ring", "resume"]), st.integers(0, 40)))


@given(bells)
@settings(max_examples=60, deadline=None)
async def test_whatever_the_bell_does_every_event_arrives_once_and_in_order(steps):
    """Row 40, 45: bells that are late, lost, doubled or out of order lose and double nothing."""
    socket = Socket()
    told = []
    await socket.open(None)
    for what, which in steps:
        if what == "append":
            told.append(await socket.append(str(len(told) + 1)))
        elif what == "resume":
            await socket.delivery.close()
            cursor = socket.delivery.cursor
            socket.begin()
            assert await socket.open(Position(cursor.epoch, cursor.seq)) is True
        elif told:
            socket.hear(told[which % len(told)])

    await socket.settled()
    socket.delivery.hear_top((await socket.log.tops([socket.user_id]))[0])
    await socket.settled()

    assert socket.seqs == list(range(1, len(told) + 1))
    assert [frame["payload"]["text"] for frame in socket.frames] == [str(n) for n in socket.seqs]
