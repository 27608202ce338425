"""Subscriptions that outlive their connection."""

import asyncio

import pytest
from django.conf import settings
from redis.exceptions import RedisError

from chatrouting.stream import subscriber as module
from chatrouting.stream.subscriber import Subscriber
from chatrouting.stream.valkey import valkey
from tests.agents.waiting import until
from tests.stream.peers import GREETING, Between, Peer
from tests.stream.streams import new_id

SOCKET = settings.REDIS_URL.removeprefix("unix://")


class Hearing:
    """A subscriber, what it heard, and how often it was lost and renewed."""

    def __init__(self, url=None):
        self.heard = []
        self.lost = self.renewed = 0
        self.subscriber = Subscriber(
            url or settings.REDIS_URL, lost=self._lost, renewed=self._renewed
        )

    def _lost(self):
        self.lost += 1

    def _renewed(self):
        self.renewed += 1

    async def on(self, name):
        """Listen to a channel that nobody else has; its whole name."""
        channel = f"{name}-{new_id()}".encode()
        await self.listen(channel)
        return channel

    async def listen(self, channel):
        await self.subscriber.subscribe(channel, lambda data: self.heard.append((channel, data)))

    async def has_heard(self, count):
        async def enough():
            return len(self.heard) >= count

        await until(enough)
        return self.heard

    def cut(self):
        self.subscriber._wire.close()

    async def renewed_again(self, times=1):
        async def done():
            return self.renewed >= times

        await until(done)


@pytest.fixture
async def hearing(services):
    made = Hearing()
    yield made
    await made.subscriber.close()


async def say(channel, data):
    """How many heard it."""
    return await valkey().call("PUBLISH", channel, data)


async def test_what_is_published_is_heard_in_order(hearing):
    channel = await hearing.on("a")
    for number in range(100):
        await say(channel, str(number))

    heard = await hearing.has_heard(100)

    assert heard == [(channel, str(number).encode()) for number in range(100)]


async def test_it_is_listened_to_when_subscribe_returns(hearing):
    assert await say(await hearing.on("a"), "x") == 1


async def test_who_subscribes_at_once_waits_for_the_same(hearing):
    channel = new_id().encode()

    await asyncio.gather(*(hearing.listen(channel) for _ in range(20)))

    assert await say(channel, "x") == 1
    assert await hearing.has_heard(1) == [(channel, b"x")]


async def test_after_unsubscribe_nothing_is_heard(hearing):
    channel, witness = await hearing.on("a"), await hearing.on("b")

    hearing.subscriber.unsubscribe(channel)
    await say(channel, "x")
    await say(witness, "y")

    assert await hearing.has_heard(1) == [(witness, b"y")]
    assert await say(channel, "z") == 0


async def test_unsubscribing_from_what_nobody_hears_does_nothing(hearing):
    hearing.subscriber.unsubscribe(b"nothing")


async def test_of_changes_of_mind_in_one_turn_the_last_counts(hearing):
    """Two confirmations come; only the second says that it is listened to."""
    channel = await hearing.on("a")
    for _ in range(3):
        hearing.subscriber.unsubscribe(channel)
        again = asyncio.create_task(hearing.listen(channel))
        await asyncio.sleep(0)
    await again

    assert await say(channel, "x") == 1
    assert not hearing.subscriber._unconfirmed.total()


async def test_who_waits_while_another_unsubscribes_is_told(hearing):
    channel = new_id().encode()
    await hearing.on("connected")
    waiting = asyncio.create_task(hearing.listen(channel))
    await asyncio.sleep(0)

    hearing.subscriber.unsubscribe(channel)

    with pytest.raises(RedisError):
        await waiting


async def test_a_lost_connection_is_told_and_everything_is_subscribed_to_again(hearing):
    channels = [await hearing.on(str(number)) for number in range(50)]

    hearing.cut()
    await hearing.renewed_again()

    assert [await say(channel, "x") for channel in channels] == [1] * 50
    assert len(await hearing.has_heard(50)) == 50
    assert hearing.lost == 1


async def test_a_first_connection_is_no_renewal(hearing):
    await hearing.on("a")

    assert (hearing.lost, hearing.renewed) == (0, 0)


async def test_valkey_that_kills_it_again_and_again_is_come_back_to(hearing):
    """Row 45."""
    channel = await hearing.on("a")
    for times in range(1, 6):
        (me,) = await valkey().call_all([("CLIENT", "KILL", "TYPE", "pubsub")])
        assert me >= 1
        await hearing.renewed_again(times)

    assert await say(channel, "x") == 1


async def test_what_is_wanted_while_there_is_no_connection_is_asked_for_with_the_next(hearing):
    await hearing.on("a")
    hearing.cut()

    channel = await hearing.on("b")

    assert await say(channel, "x") == 1


async def test_without_valkey_a_subscription_is_refused_and_forgotten(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CONFIRM_SECONDS", 0.1)
    hearing = Hearing(f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(RedisError, match="did not confirm"):
        await hearing.on("a")

    assert hearing.subscriber._wanted == {}
    await hearing.subscriber.close()


async def test_a_user_who_may_not_subscribe_is_told_and_the_log_says_why(monkeypatch, caplog):
    monkeypatch.setattr(module, "CONFIRM_SECONDS", 0.3)
    name = new_id()
    rules = ("on", ">p", "~*", "resetchannels", "+@all")
    await valkey().call("ACL", "SETUSER", name, *rules)
    hearing = Hearing(f"unix://{name}:p@{SOCKET}")

    with pytest.raises(RedisError, match="did not confirm"):
        await hearing.on("a")

    assert "refused to subscribe" in caplog.text
    assert hearing.lost == 0
    await hearing.subscriber.close()


async def test_one_that_takes_connections_and_drops_them_is_not_hammered(tmp_path):
    def greets_once(data):
        return GREETING if b"INFO" in data else None

    async with Peer(tmp_path / "peer.sock", greets_once) as peer:
        hearing = Hearing(peer.url)
        waiting = asyncio.create_task(hearing.on("a"))
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await hearing.subscriber.close()

    assert 2 <= peer.connections <= 8


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(module, "ECHO_SECONDS", 0.5)


async def test_a_connection_that_has_gone_deaf_is_found_out_and_replaced(quick, services):
    """A network may end without a word: nothing comes, nothing says so."""
    between = Between(SOCKET)
    async with between.listening() as port:
        hearing = Hearing(f"redis://127.0.0.1:{port}")
        await hearing.on("a")
        between.deaf = True

        async def lost():
            return hearing.lost

        await until(lost, 10)
        between.deaf = False
        await hearing.renewed_again()
        await hearing.subscriber.close()


async def test_a_connection_that_is_only_silent_is_kept(quick, hearing):
    await hearing.on("a")
    wire, pushes = hearing.subscriber._wire, hearing.subscriber._pushes

    async def probed():
        return hearing.subscriber._pushes >= pushes + 3

    await until(probed)

    assert hearing.subscriber._wire is wire
    assert hearing.lost == 0


async def test_closing_ends_the_connection_and_it_may_be_used_again(hearing):
    channel = await hearing.on("a")
    wire = hearing.subscriber._wire
    await hearing.subscriber.close()
    await asyncio.wait_for(asyncio.shield(wire.lost), 5)
    assert await say(channel, "x") == 0

    assert await say(await hearing.on("b"), "x") == 1
