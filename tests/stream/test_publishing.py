"""The door for events: written to every stream, then rung; repeated where repeating does nothing."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import pytest
from django.conf import settings
from django.test import override_settings
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.agents.messages import RunQueued
from chatrouting.datafolder import valkey_url
from chatrouting.stream.doorbell import channel_layer, rung, told_by, user_group
from chatrouting.stream.log import Fenced, RunMark
from chatrouting.stream.publishing import Event, publish, publish_each
from chatrouting.stream.valkey import close_valkey, valkey
from tests.stream.cutting import CuttingProxy
from tests.stream.streams import fill, log_of, meta_key, new_id, seqs

SAID = RunQueued(position=1)
WORD = b"EVALSHA"


@asynccontextmanager
async def behind_a_cutter(tmp_path, cuts, *, deliver):
    """The project's client speaks to Valkey through the proxy, which cuts that many appends."""
    url = settings.REDIS_URL
    if not url.startswith("unix://"):
        pytest.fail("these tests cut a unix socket; run them with the embedded Valkey")
    socket = str(tmp_path / "p.sock")
    proxy = CuttingProxy(url.removeprefix("unix://"), socket, WORD, deliver=deliver)
    async with proxy:
        await close_valkey()
        with override_settings(REDIS_URL=f"unix://{socket}"):
            await fill(log_of(), new_id(), 1)  # the script is there, the connection open
            proxy.seen.clear()
            proxy.cuts = cuts
            try:
                yield proxy
            finally:
                await close_valkey()


async def test_an_append_that_fails_twice_is_made_once_at_the_third_attempt(tmp_path):
    """Row 52: a critical event whose append fails twice and succeeds third, in exactly three attempts."""
    user_id = new_id()
    async with behind_a_cutter(tmp_path, 2, deliver=False) as proxy:
        records = await publish([user_id], Event(SAID, key="once"))

    assert proxy.seen[WORD] == 3
    assert seqs(records) == [1]
    assert (await log_of().read(user_id, records[0].epoch, 0)).records == tuple(records)


async def test_an_append_whose_answers_were_lost_twice_counts_once(tmp_path):
    """Row 52: the same where Valkey did it and only its answer was lost."""
    user_id = new_id()
    async with behind_a_cutter(tmp_path, 2, deliver=True) as proxy:
        records = await publish([user_id], Event(SAID, key="once"))

    assert proxy.seen[WORD] == 3
    assert (await log_of().read(user_id, records[0].epoch, 0)).records == tuple(records)


async def test_a_runs_event_is_repeated_and_counts_once(tmp_path):
    user_id, mark = new_id(), RunMark("r", fence=1, ordinal=1)
    async with behind_a_cutter(tmp_path, 2, deliver=True) as proxy:
        records = await publish([user_id], Event(SAID, mark=mark))

    assert proxy.seen[WORD] == 3
    assert seqs(records) == [1]


async def test_after_three_attempts_the_failure_is_told(tmp_path):
    async with behind_a_cutter(tmp_path, 5, deliver=False) as proxy:
        with pytest.raises(RedisError):
            await publish([new_id()], Event(SAID, key="once"))

    assert proxy.seen[WORD] == 3


@pytest.mark.parametrize("mark", [None, RunMark("r", fence=1)])
async def test_what_has_neither_key_nor_ordinal_is_not_repeated(tmp_path, mark):
    user_id = new_id()
    async with behind_a_cutter(tmp_path, 1, deliver=True) as proxy:
        with pytest.raises(RedisError):
            await publish([user_id], Event(SAID, mark=mark))

    assert proxy.seen[WORD] == 1
    assert (await log_of().read(user_id, "", 0)).top == 1


async def test_a_valkey_that_is_not_there_is_told_at_once(tmp_path):
    await close_valkey()
    with override_settings(REDIS_URL=valkey_url(tmp_path)):
        async with asyncio.timeout(2):
            with pytest.raises(RedisError):
                await publish([new_id()], Event(SAID, key="once"))
        await close_valkey()


async def test_the_body_is_the_whole_event_but_its_seq():
    user_id, thread_id, run_id = new_id(), uuid.uuid4(), uuid.uuid4()

    (record,) = await publish([user_id], Event(SAID, thread_id, run_id))

    event = json.loads(record.body)
    assert event.pop("ts").endswith("Z")
    assert event == {
        "type": "run_queued",
        "thread_id": str(thread_id),
        "run_id": str(run_id),
        "payload": {"position": 1},
    }


async def test_nobody_to_tell_is_no_error():
    assert await publish([], Event(SAID)) == []


async def test_a_stale_fence_is_told():
    user_id = new_id()
    await publish([user_id], Event(SAID, mark=RunMark("r", 2, 1)))

    with pytest.raises(Fenced):
        await publish([user_id], Event(SAID, mark=RunMark("r", 1, 1)))


async def test_what_was_given_a_seq_is_counted_by_type():
    counter = counters.events_published.labels("run_queued")
    before = counter._value.get()

    await publish([new_id(), new_id()], Event(SAID))

    assert counter._value.get() == before + 2


@asynccontextmanager
async def listening(user_id):
    """A channel in the user's group, as a socket has one."""
    layer = channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(user_group(user_id), channel)
    try:
        yield lambda: asyncio.wait_for(layer.receive(channel), 5)
    finally:
        await layer.group_discard(user_group(user_id), channel)


async def test_the_bell_tells_the_record_to_its_owners_group():
    mine, other = new_id(), new_id()
    async with listening(mine) as heard:
        (_, record) = await publish([other, mine], Event(SAID))

        assert told_by(await heard()) == rung(record)


async def test_a_bell_for_one_user_is_not_heard_by_another():
    mine, other = new_id(), new_id()
    async with listening(mine) as heard:
        await publish([other], Event(SAID))
        (record,) = await publish([mine], Event(SAID))

        assert told_by(await heard()) == rung(record)


async def test_an_event_whose_bell_cannot_ring_is_in_the_log(tmp_path):
    """Row 98: and the bell that failed is counted."""
    user_id = new_id()
    lost = counters.events_lost.labels("doorbell")
    before = lost._value.get()
    layers = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [valkey_url(tmp_path)]},
        }
    }
    with override_settings(CHANNEL_LAYERS=layers):
        (record,) = await publish([user_id], Event(SAID))

    assert (await log_of().read(user_id, record.epoch, 0)).records == (record,)
    assert lost._value.get() == before + 1


async def test_a_damaged_stream_keeps_no_other_user_from_an_event():
    """Row 115: of four recipients two fail: two have it, the others are named."""
    users = [new_id() for _ in range(4)]
    for broken in users[:2]:
        await valkey().call("SET", meta_key(broken), "no hash")

    refused = await publish_each(users, Event(SAID, key="all"))

    assert sorted(refused) == sorted(users[:2])
    assert [top.seq for top in await log_of().tops(users[2:])] == [1, 1]


async def test_whoever_does_not_ask_finds_those_who_missed_it_counted():
    """Row 98."""
    users = [new_id(), new_id()]
    await valkey().call("SET", meta_key(users[0]), "no hash")
    refused = counters.events_lost.labels("stream_refused")
    before = refused._value.get()

    records = await publish(users, Event(SAID))

    assert [record.owner for record in records] == users[1:]
    assert refused._value.get() == before + 1


async def test_a_repaired_stream_gets_the_event_once_more_told():
    """Row 115: after the repair both have it, and nobody twice."""
    users = [new_id(), new_id()]
    await valkey().call("SET", meta_key(users[0]), "no hash")
    await publish_each(users, Event(SAID, key="all"))
    await valkey().call("DEL", meta_key(users[0]))

    assert await publish_each(users, Event(SAID, key="all")) == {}

    assert [top.seq for top in await log_of().tops(users)] == [1, 1]
