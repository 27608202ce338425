"""Who in a process listens for whom: one channel a user, told to every socket, gone with the last."""

import asyncio

import pytest

from chatrouting import counters
from chatrouting.agents.messages import RunQueued
from chatrouting.stream.doorbell import channel_layer, ring_check_now, user_group
from chatrouting.stream.listening import Listeners
from chatrouting.stream.publishing import Event, publish
from chatrouting.stream.valkey import valkey
from tests.agents.waiting import until
from tests.stream.streams import meta_key, new_id


class Ear:
    """A socket, as far as it is told of things. One that is `deaf` fails at everything."""

    def __init__(self, *, deaf=False):
        self.seqs, self.tops, self.checks, self.deaf = [], [], 0, deaf

    def hear(self, record, frame):
        if self.deaf:
            raise RuntimeError("deaf")
        self.seqs.append(record.seq)
        return True

    def hear_top(self, top):
        self.tops.append(top.seq)

    def hear_check(self):
        self.checks += 1


@pytest.fixture
async def listening(services):
    return Listeners()


async def subscribed(user_id):
    address = channel_layer().group_address(user_group(user_id))
    return (await valkey().call("PUBSUB", "NUMSUB", address))[1]


async def tell(user_id):
    await publish([user_id], Event(RunQueued(position=1)))


async def came(ear, *seqs):
    async def there():
        return ear.seqs == list(seqs)

    await until(there)


async def test_all_sockets_of_a_user_hear_and_nobody_elses(listening):
    """Rows 40, 76."""
    user_id, other_id = new_id(), new_id()
    one, two, other = Ear(), Ear(), Ear()
    for ear in (one, two):
        await listening.join(user_id, ear)
    await listening.join(other_id, other)
    await tell(user_id)
    await came(one, 1)
    await came(two, 1)

    await tell(other_id)
    await came(other, 1)

    assert (one.seqs, len(listening)) == ([1], 2)
    for user, ear in ((user_id, one), (user_id, two), (other_id, other)):
        await listening.leave(user, ear)


async def test_the_last_to_leave_ends_the_subscription(listening):
    """Row 60."""
    user_id, ears = new_id(), [Ear(), Ear()]
    await asyncio.gather(*(listening.join(user_id, ear) for ear in ears))
    await listening.leave(user_id, ears[0])
    assert await subscribed(user_id) == 1
    await listening.leave(user_id, ears[1])
    await listening.leave(user_id, ears[1])

    async def gone():
        return await subscribed(user_id) == 0

    await until(gone)
    assert len(listening) == 0


async def test_one_that_fails_keeps_no_other_from_hearing(listening):
    """Row 42."""
    user_id, deaf, sound = new_id(), Ear(deaf=True), Ear()
    for ear in (deaf, sound):
        await listening.join(user_id, ear)

    await tell(user_id)
    await came(sound, 1)

    for ear in (deaf, sound):
        await listening.leave(user_id, ear)


async def test_after_a_lost_connection_each_is_told_where_its_stream_ends(listening):
    """Row 45: what was missed meanwhile is found at once."""
    user_id, ear = new_id(), Ear()
    await tell(user_id)
    await listening.join(user_id, ear)

    channel_layer().here._subscriber._wire.close()

    async def told():
        return ear.tops

    assert (await until(told))[0] == 1
    await listening.leave(user_id, ear)


async def test_a_damaged_stream_keeps_no_other_from_its_position(listening, caplog):
    """Row 115."""
    users, ears = [new_id(), new_id()], [Ear(), Ear()]
    for user_id, ear in zip(users, ears, strict=True):
        await listening.join(user_id, ear)
    await tell(users[1])
    await valkey().call("SET", meta_key(users[0]), "no hash")

    await listening._check_once()

    assert (ears[0].tops, ears[1].tops) == ([], [1])
    assert "could not be told" not in caplog.text
    for user_id, ear in zip(users, ears, strict=True):
        await listening.leave(user_id, ear)


async def test_a_message_of_a_foreign_type_is_dropped_and_the_next_is_heard(listening, caplog):
    """Row 98: it is counted."""
    user_id, ear = new_id(), Ear()
    dropped = counters.events_lost.labels("undecodable")
    before = dropped._value.get()
    await listening.join(user_id, ear)

    await channel_layer().group_send(user_group(user_id), {"type": "websocket.receive"})
    await asyncio.to_thread(ring_check_now, user_id)

    async def checked():
        return ear.checks

    await until(checked)
    assert "was dropped" in caplog.text
    assert dropped._value.get() == before + 1
    await listening.leave(user_id, ear)
