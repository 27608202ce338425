"""From the log to one socket: every event once, in order, and nobody else's."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatrouting import counters
from chatrouting.stream.delivery import Delivery, ForeignEvent, Position, PositionLost
from chatrouting.stream.log import Append
from chatrouting.stream.valkey import valkey
from tests.stream.streams import body, fill, log_of, meta_key, new_id, stream_key


class Socket:
    """A user's socket: keeps what it was sent."""

    def __init__(self, user_id=None):
        self.user_id = user_id or new_id()
        self.log = log_of()
        self.frames = []
        self.delivery = Delivery(self.user_id, self.log, self._take)

    async def _take(self, frame):
        self.frames.append(json.loads(frame))

    @property
    def seqs(self):
        return [frame["seq"] for frame in self.frames]

    async def append(self, text="x"):
        (record,) = await self.log.append([Append(self.user_id, body(text))])
        return record


async def test_a_first_connect_begins_at_the_top():
    socket = Socket()
    await fill(socket.log, socket.user_id, 3)

    assert await socket.delivery.open(None) is None
    await socket.delivery.replay()

    assert (socket.seqs, socket.delivery.top) == ([], 3)


async def test_a_resume_sends_exactly_what_was_missed():
    """Row 45: exactly the missed events, in their order, once. Row 66."""
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 5)

    assert await socket.delivery.open(Position(records[0].epoch, 2)) is True
    await socket.delivery.replay()

    assert socket.seqs == [3, 4, 5]
    assert [frame["payload"]["text"] for frame in socket.frames] == ["3", "4", "5"]


async def test_a_resume_longer_than_a_page_is_whole():
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 450)

    await socket.delivery.open(Position(records[0].epoch, 0))
    await socket.delivery.replay()

    assert socket.seqs == list(range(1, 451))


@pytest.mark.parametrize("seq", [4, 10**15 - 1])
async def test_a_resume_ahead_of_the_top_is_refused_and_sends_nothing(seq):
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)

    assert await socket.delivery.open(Position(records[0].epoch, seq)) is False
    await socket.delivery.replay()

    assert (socket.seqs, socket.delivery.cursor.seq) == ([], 3)


async def test_a_resume_in_another_epoch_is_refused_and_sends_nothing():
    socket = Socket()
    await fill(socket.log, socket.user_id, 3)

    assert await socket.delivery.open(Position(new_id(), 1)) is False
    await socket.delivery.replay()

    assert socket.seqs == []


async def test_a_resume_of_a_pruned_position_is_refused_and_sends_nothing():
    """Row 46: nothing of a range that is not whole, and it is counted."""
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)
    await valkey().xtrim(stream_key(socket.user_id), maxlen=1, approximate=False)
    refused = counters.resumes.labels("false")
    before = refused._value.get()

    assert await socket.delivery.open(Position(records[0].epoch, 1)) is False
    await socket.delivery.replay()

    assert (socket.seqs, refused._value.get()) == ([], before + 1)


async def test_anothers_position_opens_ones_own_stream():
    """Row 68: a position of user A used by user B reveals nothing."""
    alice, bob = Socket(), Socket()
    theirs = await fill(alice.log, alice.user_id, 5)

    assert await bob.delivery.open(Position(theirs[0].epoch, 2)) is False
    await bob.delivery.replay()

    assert bob.seqs == []


async def test_what_the_bell_tells_is_sent():
    socket = Socket()
    await socket.delivery.open(None)

    await socket.delivery.deliver(await socket.append("hello"))

    assert socket.frames == [{"seq": 1, "type": "t", "payload": {"text": "hello"}}]


async def test_a_bell_that_rings_twice_sends_once():
    socket = Socket()
    await socket.delivery.open(None)
    record = await socket.append()

    await socket.delivery.deliver(record)
    await socket.delivery.deliver(record)

    assert socket.seqs == [1]


async def test_a_bell_without_a_seq_changes_nothing():
    """An event that was appended before rings with seq 0."""
    socket = Socket()
    await socket.delivery.open(None)
    record = await socket.append()
    await socket.delivery.deliver(record)

    await socket.delivery.deliver(replace(record, seq=0))

    assert (socket.seqs, socket.delivery.cursor.seq) == ([1], 1)


async def test_a_gap_is_read_from_the_log():
    socket = Socket()
    await socket.delivery.open(None)
    records = [await socket.append() for _ in range(3)]

    await socket.delivery.deliver(records[2])

    assert socket.seqs == [1, 2, 3]


async def test_a_gap_that_the_log_has_no_more_ends_the_position():
    socket = Socket()
    await socket.delivery.open(None)
    records = [await socket.append() for _ in range(3)]
    await valkey().xtrim(stream_key(socket.user_id), maxlen=1, approximate=False)

    with pytest.raises(PositionLost):
        await socket.delivery.deliver(records[2])

    assert socket.seqs == []


async def test_an_event_of_a_new_epoch_ends_the_position():
    socket = Socket()
    await socket.append()
    await socket.delivery.open(None)
    await valkey().delete(meta_key(socket.user_id))

    with pytest.raises(PositionLost):
        await socket.delivery.deliver(await socket.append())

    assert socket.seqs == []


async def test_events_pruned_while_they_are_replayed_end_the_position():
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)
    await socket.delivery.open(Position(records[0].epoch, 0))
    await valkey().xtrim(stream_key(socket.user_id), maxlen=1, approximate=False)

    with pytest.raises(PositionLost):
        await socket.delivery.replay()


async def test_an_event_of_another_user_in_the_stream_never_reaches_the_socket():
    """Row 76: event addressed to A and put into B's stream never appears at B."""
    socket, alice = Socket(), new_id()
    (first,) = await fill(socket.log, socket.user_id, 1)
    foreign = {"o": alice, "d": body("for alice alone")}
    await valkey().hincrby(meta_key(socket.user_id), "seq", 1)
    await valkey().xadd(stream_key(socket.user_id), foreign, id="2-0")
    lost = counters.events_lost.labels("foreign")
    before = lost._value.get()

    await socket.delivery.open(Position(first.epoch, 0))
    with pytest.raises(ForeignEvent):
        await socket.delivery.replay()

    assert (socket.seqs, lost._value.get()) == ([1], before + 1)


async def test_an_event_of_another_user_on_the_bell_never_reaches_the_socket():
    """Row 76."""
    socket, alice = Socket(), Socket()
    await socket.delivery.open(None)
    foreign = await alice.append("for alice alone")

    with pytest.raises(ForeignEvent):
        await socket.delivery.deliver(foreign)

    assert socket.frames == []


bells = st.lists(st.tuples(st.sampled_from(["append", "ring", "resume"]), st.integers(0, 40)))


@given(bells)
@settings(max_examples=60, deadline=None)
async def test_whatever_the_bell_does_every_event_arrives_once_and_in_order(steps):
    """Row 40, 45: bells that are late, lost, doubled or out of order lose and double nothing."""
    socket = Socket()
    told = []
    await socket.delivery.open(None)
    for what, which in steps:
        if what == "append":
            told.append(await socket.append(str(len(told) + 1)))
        elif what == "resume":
            cursor = socket.delivery.cursor
            socket.delivery = Delivery(socket.user_id, socket.log, socket._take)
            assert await socket.delivery.open(Position(cursor.epoch, cursor.seq)) is True
            await socket.delivery.replay()
        elif told:
            await socket.delivery.deliver(told[which % len(told)])

    await socket.delivery.catch_up("gap")

    assert socket.seqs == list(range(1, len(told) + 1))
    assert [frame["payload"]["text"] for frame in socket.frames] == [str(n) for n in socket.seqs]
