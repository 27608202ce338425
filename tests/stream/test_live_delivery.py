"""A delivery between the log and the bell: late bells, lost tails, filters, room."""

from msgspec.structs import replace

from chatrouting import counters
from chatrouting.stream.delivery import Position, PositionLost
from chatrouting.stream.valkey import valkey
from tests.stream.sockets import Socket
from tests.stream.streams import fill, meta_key


async def test_what_is_heard_before_the_welcome_is_sent_after_it():
    """Row 45: nothing falls between."""
    socket = Socket()
    await socket.delivery.open(None)
    socket.hear(await socket.append())
    assert socket.frames == []

    socket.delivery.start()
    await socket.settled()

    assert socket.seqs == [1]


async def test_a_late_bell_of_an_epoch_before_changes_nothing():
    socket = Socket()
    old = await socket.append()
    await valkey().call("DEL", meta_key(socket.user_id))
    await socket.open(None)

    await socket.heard(old)
    await socket.heard(await socket.append())

    assert (socket.seqs, socket.why) == ([1], [])


async def test_a_lost_tail_is_found_where_the_stream_ends_before_what_was_heard():
    """Row 53: a server that forgot what it had told of never passes for whole."""
    socket = Socket()
    await socket.open(None)
    record = await socket.append()
    await socket.heard(replace(record, seq=9))

    assert (socket.seqs, socket.why) == ([1], [PositionLost])


async def test_what_is_heard_while_the_log_is_read_is_no_lost_tail():
    """Row 45: the log is asked on one connection, events are heard on another."""
    socket, late = Socket(), []
    await socket.open(None)
    read = socket.log.read

    async def read_and_hear(*position):
        page = await read(*position)
        if not page.records and not late:
            late.append(await socket.append())
            socket.hear(late[0])
        return page

    socket.log.read = read_and_hear
    await socket.append()
    await socket.heard(await socket.append())

    assert (socket.seqs, socket.why) == ([1, 2, 3], [])


async def test_events_that_were_not_selected_are_skipped_and_the_next_says_so():
    """Row 77: filtered events are counted and the position stays checkable."""
    socket = Socket()
    await socket.open(None)
    filtered = counters.events_filtered._value.get()
    socket.delivery.select(frozenset({"other"}))
    for _ in range(2):
        await socket.heard(await socket.append())
    assert (socket.frames, socket.delivery.skipped_to) == ([], 2)

    socket.delivery.select(None)
    await socket.heard(await socket.append())

    assert [(frame["seq"], frame["skipped_to"]) for frame in socket.frames] == [(3, 2)]
    assert socket.delivery.skipped_to is None
    assert counters.events_filtered._value.get() == filtered + 2


async def test_a_replay_waits_for_room_before_every_event():
    socket, asked = Socket(), []
    records = await fill(socket.log, socket.user_id, 3)

    async def room():
        asked.append(len(socket.frames))

    socket.room = room
    await socket.open(Position(records[0].epoch, 0))

    assert asked == [0, 1, 2]


async def test_an_event_that_waits_for_room_is_not_told_as_skipped():
    """A client that is told so takes it for a double when it comes."""
    socket, told = Socket(), []
    records = await fill(socket.log, socket.user_id, 3)

    async def room():
        told.append(socket.delivery.skipped_to)

    socket.room = room
    await socket.open(Position(records[0].epoch, 0))

    assert told == [None, None, None]


async def test_what_is_replayed_is_whole_whatever_is_selected_meanwhile():
    """Row 77: a resume that was promised brings exactly what was missed; then the selection counts."""
    socket = Socket()
    records = await fill(socket.log, socket.user_id, 3)
    nothing = frozenset({"other"})

    async def room():
        socket.delivery.select(nothing)

    socket.room = room
    await socket.open(Position(records[0].epoch, 0))
    await socket.heard(await socket.append())

    assert (socket.seqs, socket.delivery.skipped_to) == ([1, 2, 3], 4)


async def test_a_delivery_that_was_closed_sends_nothing_more():
    socket = Socket()
    await socket.open(None)
    await socket.delivery.close()

    socket.hear(await socket.append())

    assert socket.frames == []
