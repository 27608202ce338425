"""The contract of a channel layer, as channels-redis's pub/sub layer keeps it, and what ours adds."""

import asyncio
import random

import pytest
from channels.exceptions import InvalidChannelLayerError
from django.core.exceptions import ImproperlyConfigured

from chatrouting import counters
from chatrouting.stream.layer import ValkeyChannelLayer
from chatrouting.stream.mailboxes import decode
from tests.stream.layers import SECONDS, make, next_of


@pytest.fixture
async def layer():
    made = make()
    yield made
    await made.flush()


@pytest.fixture
async def elsewhere(layer):
    """The same layer in another process, as far as the layer can tell."""
    made = make(prefix=layer.prefix)
    yield made
    await made.flush()


async def nothing_for(layer, channel, sender=None):
    """What was sent before has been heard: a later message to the same channel comes first."""
    await (sender or layer).send(channel, {"type": "last"})
    return (await next_of(layer, channel))["type"] == "last"


def test_it_offers_groups_flush_and_attach(layer):
    assert layer.extensions == ["groups", "flush", "attach"]


async def test_what_is_sent_to_a_channel_is_received(layer):
    channel = await layer.new_channel()

    await layer.send(channel, {"type": "test.message", "text": "Ahoy", "n": 1.5, "raw": b"\0"})

    received = await next_of(layer, channel)
    assert received == {"type": "test.message", "text": "Ahoy", "n": 1.5, "raw": b"\0"}


async def test_messages_keep_their_order(layer):
    channel = await layer.new_channel()
    for number in range(50):
        await layer.send(channel, {"type": "t", "n": number})

    assert [(await next_of(layer, channel))["n"] for _ in range(50)] == list(range(50))


async def test_a_channel_of_another_process_is_reached(layer, elsewhere):
    channel = await layer.new_channel()

    await elsewhere.send(channel, {"type": "hello"})

    assert await next_of(layer, channel) == {"type": "hello"}


async def test_a_general_channel_is_received_on_by_its_name(layer, elsewhere):
    waiting = asyncio.create_task(next_of(layer, "jobs"))
    while not waiting.done():  # what is sent before somebody listens is nobody's
        await elsewhere.send("jobs", {"type": "work"})
        await asyncio.sleep(0.01)

    assert await waiting == {"type": "work"}


async def test_channels_of_one_process_hear_only_their_own(layer):
    one, other = await layer.new_channel(), await layer.new_channel()

    await layer.send(one, {"type": "for one"})

    assert await nothing_for(layer, other)
    assert await next_of(layer, one) == {"type": "for one"}


async def test_a_group_reaches_its_members_and_not_who_left(layer):
    one, two, three = [await layer.new_channel("test-gr-chan") for _ in range(3)]
    for channel in (one, two, three):
        await layer.group_add("group", channel)
    await layer.group_discard("group", two)

    await layer.group_send("group", {"type": "news"})

    assert await next_of(layer, one) == await next_of(layer, three) == {"type": "news"}
    assert await nothing_for(layer, two)


async def test_a_group_reaches_all_processes(layer, elsewhere):
    here, there = await layer.new_channel(), await elsewhere.new_channel()
    await layer.group_add("group", here)
    await elsewhere.group_add("group", there)

    await layer.group_send("group", {"type": "news"})

    assert await next_of(layer, here) == await next_of(elsewhere, there) == {"type": "news"}


async def test_a_channel_added_twice_hears_once_and_leaves_at_once(layer):
    channel = await layer.new_channel()
    for _ in range(2):
        await layer.group_add("group", channel)

    await layer.group_send("group", {"type": "once"})
    assert await next_of(layer, channel) == {"type": "once"}
    assert await nothing_for(layer, channel)
    await layer.group_discard("group", channel)
    await layer.group_send("group", {"type": "twice"})

    assert await nothing_for(layer, channel)


async def test_leaving_a_group_one_is_not_in_does_nothing(layer):
    await layer.group_discard("group", await layer.new_channel())


async def test_a_group_and_a_channel_of_one_name_are_apart(layer):
    member = await layer.new_channel()
    await layer.group_add("same", member)

    await layer.send("same", {"type": "to the channel"})

    assert await nothing_for(layer, member)


async def test_layers_of_other_prefixes_hear_nothing(layer):
    stranger = make()
    channel, foreign = await layer.new_channel(), await stranger.new_channel()
    await layer.group_add("group", channel)
    await stranger.group_add("group", foreign)

    await layer.group_send("group", {"type": "news"})
    assert await next_of(layer, channel) == {"type": "news"}

    assert await nothing_for(stranger, foreign)
    await stranger.flush()


async def test_receivers_get_messages_of_their_own(layer):
    """One that changes what it received changes nothing for the others."""
    one, other = await layer.new_channel(), await layer.new_channel()
    for channel in (one, other):
        await layer.group_add("group", channel)

    await layer.group_send("group", {"type": "t", "list": []})
    (await next_of(layer, one))["list"].append("changed")

    assert await next_of(layer, other) == {"type": "t", "list": []}


async def test_names_of_channels_do_not_repeat_with_the_seed(layer):
    random.seed(1)
    first = await layer.new_channel()
    random.seed(1)

    assert await layer.new_channel() != first


async def test_a_full_channel_drops_what_comes_and_counts_it():
    """Row 98: loss is visible, by its cause."""
    small = make(capacity=2)
    channel, other = await small.new_channel(), await small.new_channel()
    dropped = counters.events_lost.labels("channel_full")
    before = dropped._value.get()

    for number in range(5):
        await small.send(channel, {"type": "t", "n": number})
    assert await nothing_for(small, other)

    assert [(await next_of(small, channel))["n"] for _ in range(2)] == [0, 1]
    assert dropped._value.get() == before + 3
    await small.flush()


async def test_a_cancelled_receive_forgets_the_channel_and_its_groups(layer):
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert (layer.here._mailboxes, layer.here._groups) == ({}, {})


async def test_a_receive_that_times_out_while_it_subscribes_leaves_nothing(layer):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(layer.receive("general"), 0)
    waiting = asyncio.create_task(layer.receive("general"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert layer.here._mailboxes == {}


async def test_what_is_attached_is_handed_messages_as_they_come(layer):
    channel, came = await layer.new_channel(), []
    heard = asyncio.Event()
    layer.attach(channel, lambda data: (came.append(decode(data)), heard.set()))
    await layer.group_add("group", channel)

    await layer.group_send("group", {"type": "news"})
    await asyncio.wait_for(heard.wait(), SECONDS)

    assert came == [{"type": "news"}]


async def test_what_is_released_hears_no_more(layer):
    channel, witness, came = await layer.new_channel(), await layer.new_channel(), []
    layer.attach(channel, came.append)
    for each in (channel, witness):
        await layer.group_add("group", each)

    layer.release(channel)
    await layer.group_send("group", {"type": "news"})
    await next_of(layer, witness)

    assert came == []


async def test_a_channel_of_another_process_cannot_be_put_into_a_group(layer, elsewhere):
    channel = await elsewhere.new_channel()

    with pytest.raises(RuntimeError, match="no channel of this process"):
        await layer.group_add("group", channel)


async def test_flush_forgets_everything_and_the_layer_goes_on(layer):
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    await layer.flush()

    fresh = await layer.new_channel()
    await layer.group_add("group", fresh)
    await layer.group_send("group", {"type": "news"})

    assert await next_of(layer, fresh) == {"type": "news"}
    assert channel not in layer.here._mailboxes


@pytest.mark.parametrize("name", ["", "with space", "a" * 100, "ümlaut", 5, "bad!name!"])
async def test_a_bad_name_is_refused(layer, name):
    with pytest.raises(TypeError):
        await layer.group_send(name, {"type": "t"})


@pytest.mark.parametrize("hosts", [[], ["redis://a", "redis://b"], "redis://a", [("a", 6379)]])
def test_hosts_that_are_not_one_address_are_refused(hosts):
    with pytest.raises(ImproperlyConfigured, match="one address"):
        ValkeyChannelLayer(hosts)


def test_an_unknown_option_is_refused():
    from channels.layers import ChannelLayerManager

    manager = ChannelLayerManager()
    with pytest.raises((TypeError, InvalidChannelLayerError)):
        manager.make_test_backend("default")._make_backend("default", {"nonsense": 1})
