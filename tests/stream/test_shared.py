"""A value that several change at once: each change is made on what stands there, none is lost."""

import asyncio
import uuid

import pytest

from chatrouting.stream.shared import Contended, Swap, change
from chatrouting.stream.valkey import valkey


def adding(key, seen):
    def step(known):
        number = int(known or b"0") + 1
        seen.append(known)
        return number, Swap(key, known, b"%d" % number, 5_000)

    return step


async def test_a_change_is_made_on_what_stands_there():
    key, seen = f"test:{uuid.uuid4()}", []
    await change(b"", adding(key, []))

    found = await change(b"", adding(key, seen))

    assert (found.result, found.value, seen) == (2, b"2", [b"", b"1"])


async def test_many_changes_at_once_lose_none():
    key = f"test:{uuid.uuid4()}"
    results = await asyncio.gather(*(change(b"", adding(key, [])) for _ in range(10)))

    assert sorted(found.result for found in results) == list(range(1, 11))


async def test_nothing_stands_for_an_end():
    key = f"test:{uuid.uuid4()}"
    await change(b"", adding(key, []))
    await change(b"1", lambda known: (None, Swap(key, known, b"", 1)))

    assert await valkey().call("EXISTS", key) == 0


async def test_a_value_is_kept_as_long_as_it_says():
    key = f"test:{uuid.uuid4()}"
    await change(b"", adding(key, []))

    assert 4_000 < await valkey().call("PTTL", key) <= 5_000


async def test_who_is_never_right_gives_up():
    key = f"test:{uuid.uuid4()}"
    await change(b"", adding(key, []))
    with pytest.raises(Contended):
        await change(b"", lambda known: (None, Swap(key, b"other", b"x", 1)))


async def test_a_step_that_changes_nothing_asks_nobody():
    key = f"test:{uuid.uuid4()}"

    found = await change(b"7", lambda known: (None, Swap(key, known, known, 1)))

    assert found.value == b"7"
    assert await valkey().call("EXISTS", key) == 0
