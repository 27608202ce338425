"""An event that stands in another's stream, or comes by another's bell, is shown to nobody."""

import pytest

from chatrouting.agents.messages import RunQueued
from chatrouting.database import in_database
from chatrouting.stream.doorbell import channel_layer, user_group
from chatrouting.stream.publishing import Event, publish
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_people
from tests.stream.streams import meta_key, stream_key


@pytest.fixture
async def people(services):
    return await in_database(make_people, 2)


async def for_her_alone(alice):
    """An event of alice's."""
    (record,) = await publish([alice.user_id], Event(RunQueued(position=7)))
    return record


async def test_on_a_bell_it_ends_the_socket_unseen(web, people):
    """Row 76."""
    alice, bob = people
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        record = await for_her_alone(alice)
        await channel_layer().group_send(
            user_group(bob.user_id),
            {"type": "event.deliver", "owner": record.owner, "epoch": record.epoch,
             "seq": record.seq, "body": record.body},
        )  # fmt: skip

        await b.expect_close(4103)
        assert b.events == []
        said = f"an event of user {alice.user_id} reached a socket of user {bob.user_id}"
        assert web.output.count(said) == 1
        web.assert_no_traceback()
        await a.expect_event("run_queued", position=7)
        await a.assert_silent()


async def test_in_a_stream_it_ends_each_socket_that_comes_to_it_and_is_counted(web, people):
    """Rows 76, 98: what stands before it is replayed; the loss is a figure of the process."""
    alice, bob = people
    (first,) = await publish([bob.user_id], Event(RunQueued(position=1)))
    record = await for_her_alone(alice)
    await valkey().call("HINCRBY", meta_key(bob.user_id), "seq", 1)
    await valkey().call(
        "XADD", stream_key(bob.user_id), f"{first.seq + 1}-0", "o", record.owner, "d", record.body
    )

    before = web.counted("chatrouting_events_lost_total", cause="foreign")

    async with await web.open(bob, since=(first.epoch, 0)) as b:
        await b.expect_close(4103)

    assert [event["payload"] for event in b.events] == [{"position": 1}]
    assert web.counted("chatrouting_events_lost_total", cause="foreign") == before + 1
