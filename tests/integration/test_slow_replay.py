"""Missed events go at the reader's pace: one that reads slowly and steadily is not taken for dead."""

import asyncio
import time

import pytest

from chatrouting.agents.messages import AgentThinking
from chatrouting.stream.publishing import Event, publish
from chatrouting.testing.client import at_position
from tests.conftest import BOTH_SERVERS
from tests.faults.mute import Mute

SEND_SECONDS = 1
SLOWLY_SECONDS = 5 * SEND_SECONDS
EVENTS = 160
EVENT_BYTES = 64 * 1024
PAUSE_SECONDS = (
    0.35  # for an event: what the server holds back takes longer than it waits for anything
)


@pytest.fixture(params=BOTH_SERVERS)
def hasty(own_system, request):
    return own_system.web(SERVER=request.param, CHATROUTING_SEND_SECONDS=str(SEND_SECONDS))


async def test_who_reads_slowly_and_steadily_gets_a_replay_whole(hasty, alice):
    """Row 45: missed events do not count as waiting."""
    for number in range(EVENTS):
        await publish(
            [alice.user_id], Event(AgentThinking(text="x" * EVENT_BYTES, step=number + 1))
        )
    async with await hasty.connect(alice) as known:
        epoch = known.welcome["epoch"]
    async with Mute(hasty, alice, at_position(hasty.url, epoch=epoch, seq=0)) as mute:
        began, seen = time.monotonic(), 0
        while seen < EVENTS:
            seen += 1
            await mute.read(lambda: mute.frames[-1].get("seq", 0) >= seen)  # noqa: B023 - reason: read at once
            assert mute.code is None, mute.frames[-1]
            if time.monotonic() < began + SLOWLY_SECONDS:
                await asyncio.sleep(PAUSE_SECONDS)
    assert [frame["seq"] for frame in mute.frames[1:]] == list(range(1, EVENTS + 1))
