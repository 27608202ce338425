"""The rate of a person as a process sees it: few questions, shared with others, and its own in an outage."""

import asyncio
import time
import uuid

from django.test import override_settings

from chatrouting.conf import ChatSettings
from chatrouting.connections import rates as module
from chatrouting.connections.rates import Rates
from chatrouting.testing.system import wait_until

CONF = ChatSettings(messages_per_minute=60, messages_burst=20)
NOWHERE = override_settings(REDIS_URL="unix:///nowhere/valkey.sock")


def somebody():
    return f"test-{uuid.uuid4()}"


async def served(rates, user_id, count):
    """How many of so many messages at once may be served."""
    found = [rates.spend(user_id) or not await rates.wait(user_id) for _ in range(count)]
    return sum(found)


async def test_a_burst_is_served_and_what_follows_is_not():
    assert await served(Rates(CONF), somebody(), 30) == 20


async def test_two_processes_share_one_rate():
    one, other, user_id = Rates(CONF), Rates(CONF), somebody()

    both = [await served(rates, user_id, 1) for _ in range(20) for rates in (one, other)]

    assert sum(both) == 20


async def test_most_messages_ask_nobody():
    rates, user_id = Rates(CONF), somebody()
    await rates.wait(user_id)

    assert [rates.spend(user_id), rates.spend(user_id)] == [True, False]


async def test_a_refused_flood_asks_nobody(monkeypatch):
    rates, user_id, asked = Rates(CONF), somebody(), []
    await served(rates, user_id, 21)
    monkeypatch.setattr(module, "change", lambda *given: asked.append(given))

    assert await served(rates, user_id, 1_000) == 0
    assert asked == []


async def test_without_valkey_each_process_holds_the_rate_alone():
    one, other, user_id = Rates(CONF), Rates(CONF), somebody()
    with NOWHERE:
        assert [await served(each, user_id, 30) for each in (one, other)] == [20, 20]


async def test_a_valkey_that_is_away_is_not_asked_for_each_message(caplog):
    rates = Rates(CONF)
    with NOWHERE:
        for _ in range(10):
            assert await served(rates, somebody(), 1) == 1

    assert len([each for each in caplog.records if "alone" in each.message]) == 1


async def test_nothing_is_kept_of_who_says_nothing(monkeypatch):
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.05)
    rates, user_id = Rates(CONF), somebody()
    await served(rates, user_id, 1)
    assert len(rates) == 1

    await asyncio.to_thread(wait_until, lambda: not len(rates), "nothing kept", 5)


async def test_what_a_message_costs(report):
    rates, user_id = (
        Rates(ChatSettings(messages_per_minute=10**8, messages_burst=10**7)),
        somebody(),
    )
    await rates.wait(user_id)
    began = time.perf_counter()
    for _ in range(20_000):
        assert rates.spend(user_id)

    report(f"a message within its lease: {(time.perf_counter() - began) * 50:.2f} µs")
