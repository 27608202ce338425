"""The channels and groups of one loop: who is told, and that nothing is left."""

import asyncio

import pytest
from django.conf import settings
from redis.exceptions import RedisError

from chatrouting.stream import subscriber
from chatrouting.stream.mailboxes import Addresses, Mailboxes, decode, encode
from chatrouting.stream.valkey import valkey
from tests.agents.waiting import until
from tests.stream.streams import new_id


def make(url=None, capacity=10):
    return Mailboxes(
        url or settings.REDIS_URL, Addresses(new_id()), capacity, lost=nothing, renewed=nothing
    )


def nothing():
    """Nobody is told."""


@pytest.fixture
async def mailboxes(services):
    made = make()
    yield made
    await made.close()


async def numbers(mailboxes, address):
    """How many connections listen at an address."""
    return (await valkey().call("PUBSUB", "NUMSUB", address))[1]


def test_no_two_kinds_share_an_address():
    addresses = Addresses("p")
    made = addresses.channel(f"specific.{'f' * 32}!{'0' * 32}")

    assert made == addresses.channel(f"other.{'f' * 32}!{'1' * 32}")
    assert len({made, addresses.channel("same"), addresses.group("same")}) == 3


async def test_a_group_is_subscribed_to_once_and_for_as_long_as_it_has_members(mailboxes):
    address = mailboxes._addresses.group("g")
    channels = [await mailboxes.new_channel("c.") for _ in range(3)]
    for channel in channels:
        await mailboxes.group_add("g", channel)
    assert await numbers(mailboxes, address) == 1

    for channel in channels[:2]:
        mailboxes.group_discard("g", channel)
    assert await numbers(mailboxes, address) == 1
    mailboxes.group_discard("g", channels[2])

    async def gone():
        return await numbers(mailboxes, address) == 0

    await until(gone)
    assert mailboxes._groups == {}


async def test_a_thousand_channels_come_and_go_and_leave_nothing(mailboxes):
    """Row 32: groups and subscriptions are back at their start."""
    for number in range(1_000):
        channel = await mailboxes.new_channel("c.")
        await mailboxes.group_add(f"g{number % 7}", channel)
        mailboxes.release(channel)

    assert (mailboxes._mailboxes, mailboxes._groups) == ({}, {})
    assert len(mailboxes._subscriber._wanted) == 1  # the process's own


async def test_releasing_what_is_not_there_does_nothing(mailboxes):
    mailboxes.release("nothing")
    mailboxes.release("specific.x!y")


async def test_a_group_that_cannot_be_listened_to_has_no_member(monkeypatch, tmp_path):
    monkeypatch.setattr(subscriber, "CONFIRM_SECONDS", 0.1)
    away = make(f"unix://{tmp_path}/nobody.sock")
    away._mailboxes["c"] = away._new_mailbox()

    with pytest.raises(RedisError):
        await away.group_add("g", "c")

    assert (away._groups, away.mailbox("c").groups) == ({}, set())
    await away.close()


async def test_a_receive_that_cannot_be_listened_for_says_so_every_time(monkeypatch, tmp_path):
    """The second try must not wait for ever on a channel that nobody fills."""
    monkeypatch.setattr(subscriber, "CONFIRM_SECONDS", 0.1)
    away = make(f"unix://{tmp_path}/nobody.sock")

    for _ in range(2):
        with pytest.raises(RedisError):
            await asyncio.wait_for(away.receive("general"), 5)

    assert away._mailboxes == {}
    await away.close()


async def test_what_is_not_taken_is_logged_and_disturbs_no_other(mailboxes, caplog):
    channel, came = await mailboxes.new_channel("c."), []
    await mailboxes.group_add("g", channel)
    mailboxes.mailbox(channel).take = lambda data: came.append(decode(data))
    address = mailboxes._addresses.group("g")

    await valkey().call("PUBLISH", address, b"\xc1")
    await valkey().call("PUBLISH", address, encode({"type": "t"}))

    async def arrived():
        return came

    await until(arrived)
    assert came == [{"type": "t"}]
    assert "was not taken" in caplog.text


async def test_who_is_attached_and_who_receives_get_the_same_message(mailboxes):
    attached, receiving = [await mailboxes.new_channel("c.") for _ in range(2)]
    came = []
    for channel in (attached, receiving):
        await mailboxes.group_add("g", channel)
    mailboxes.mailbox(attached).take = came.append

    await valkey().call("PUBLISH", mailboxes._addresses.group("g"), encode({"type": "t"}))
    received = await asyncio.wait_for(mailboxes.receive(receiving), 5)

    assert received == decode(came[0]) == {"type": "t"}


async def test_a_message_for_a_channel_that_is_gone_is_nobodys(mailboxes):
    gone, here = [await mailboxes.new_channel("c.") for _ in range(2)]
    mailboxes.release(gone)
    for channel in (gone, here):
        data = encode((channel, {"type": "t"}))
        await valkey().call("PUBLISH", mailboxes._addresses.channel(channel), data)

    assert await asyncio.wait_for(mailboxes.receive(here), 5) == {"type": "t"}
    assert gone not in mailboxes._mailboxes


async def test_leaving_while_another_joins_keeps_the_group(mailboxes):
    """The last one's leave and the next one's join cross on their way to Valkey."""
    one, other = [await mailboxes.new_channel("c.") for _ in range(2)]
    await mailboxes.group_add("g", one)

    mailboxes.group_discard("g", one)
    await mailboxes.group_add("g", other)

    assert await numbers(mailboxes, mailboxes._addresses.group("g")) == 1
    await valkey().call("PUBLISH", mailboxes._addresses.group("g"), encode({"type": "t"}))
    assert await asyncio.wait_for(mailboxes.receive(other), 5) == {"type": "t"}


async def test_all_who_asked_are_told_of_a_renewal(mailboxes):
    told = [asyncio.Event() for _ in range(2)]
    mailboxes.reconnected += [event.set for event in told]
    await mailboxes.new_channel("c.")

    mailboxes._subscriber._wire.close()

    for event in told:
        await asyncio.wait_for(event.wait(), 5)
