"""How often a user may do something: counted for all processes, and free again when the time is over."""

import asyncio

import pytest

from chatrouting.chat.quota import Quota
from chatrouting.stream.valkey import valkey
from routing_core.errors import RateLimited
from tests.stream.streams import new_id


async def spent(quota, user_id, times):
    """How many of so many were granted."""
    tried = [quota.spend(user_id) for _ in range(times)]
    found = await asyncio.gather(*tried, return_exceptions=True)
    return found.count(None)


async def test_so_many_are_granted_also_at_once():
    assert await spent(Quota("test", 5, 60), new_id(), 12) == 5


async def test_a_refusal_says_when_to_come_again():
    quota, user_id = Quota("test", 1, 60), new_id()
    await quota.spend(user_id)

    with pytest.raises(RateLimited) as refused:
        await quota.spend(user_id)

    assert 0 < refused.value.retry_after_ms <= 60_000


async def test_users_and_things_are_counted_apart():
    user_id = new_id()
    await Quota("one", 1, 60).spend(user_id)

    await Quota("two", 1, 60).spend(user_id)
    await Quota("one", 1, 60).spend(new_id())


async def test_the_time_begins_with_the_first_and_refusals_do_not_prolong_it():
    quota, user_id = Quota("test", 1, 60), new_id()
    await quota.spend(user_id)
    key = f"{{u:{user_id}}}:quota:test"
    await valkey().call("PEXPIRE", key, 1_000)

    assert await spent(quota, user_id, 3) == 0

    assert 0 < await valkey().call("PTTL", key) <= 1_000
    await valkey().call("DEL", key)  # as its end does
    await quota.spend(user_id)
