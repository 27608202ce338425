"""Children end in the time they are given."""

import asyncio
import time

import pytest

from chatrouting.serving.children import Child, Children
from chatrouting.serving.parent import Lifeline

# Takes half a second to end once it is asked to.
SLOW = "trap 'sleep 0.5; echo in order; exit 0' TERM; echo up; while :; do sleep 0.02; done"


@pytest.mark.parametrize(("seconds", "in_order"), [(5, True), (0.1, False)])
async def test_a_child_gets_the_time_it_is_given_to_end(seconds, in_order):
    said, up = [], asyncio.Event()

    def say(name, line):
        said.append(line)
        up.set()

    lifeline = Lifeline()
    children = Children(say, lifeline)
    kept = asyncio.create_task(children.keep(Child("slow", ("sh", "-c", SLOW), {}, seconds)))
    async with asyncio.timeout(5):
        await up.wait()
        began = time.monotonic()
        await children.stop()
        await kept
    lifeline.close()

    assert ("in order" in said) is in_order
    assert time.monotonic() - began < 2
