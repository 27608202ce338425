"""Many runs of one user: so many at a time, the rest in line and in sight; others do not wait for them."""

import pytest

from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person

LIMIT = 4


def places(client, run_id):
    return [
        event["payload"]["position"]
        for event in client.of_run(run_id)
        if event["type"] == "run_queued"
    ]


async def ask(client, content):
    return (await client.ask("user_message", content=content))["payload"]


@pytest.fixture
async def crowded(web):
    """A socket of somebody with as many endless runs as may run at once, and three in line."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as client:
        asked = [await ask(client, "/stream 5000 20") for _ in range(LIMIT)]
        asked += [await ask(client, "/think 1") for _ in range(3)]
        assert [each["status"] for each in asked] == ["running"] * LIMIT + ["queued"] * 3
        client.running = [each["run_id"] for each in asked[:LIMIT]]
        client.waiting = [each["run_id"] for each in asked[LIMIT:]]
        await client.expect_event("run_queued", run_id=client.waiting[-1])
        yield client
        for run_id in client.running:
            await client.ask("stop_agent", run_id=run_id)
            await client.whole_run(run_id)


async def test_what_is_over_the_limit_waits_in_sight(crowded):
    """`runs_per_user` of `welcome` holds; 1 is next."""
    assert crowded.welcome["limits"]["runs_per_user"] == LIMIT
    assert [places(crowded, run_id) for run_id in crowded.waiting] == [[1], [2], [3]]


async def test_each_end_lets_the_next_begin_and_the_others_move_up(crowded):
    """Row 47: first in, first out."""
    await crowded.ask("stop_agent", run_id=crowded.running[0])
    for run_id in crowded.waiting:
        check_run(await crowded.whole_run(run_id))
    crowded.check_order()
    assert [places(crowded, run_id) for run_id in crowded.waiting] == [[1], [2, 1], [3, 2, 1]]


async def test_nobody_waits_for_the_runs_of_another(crowded, web):
    """Row 114: a user over the limit leaves another's first run as it was."""
    bob = await in_database(make_person, "bob")
    async with await web.connect(bob) as other:
        asked = await ask(other, "/think 1")
        check_run(await other.whole_run(asked["run_id"]))
    assert asked["status"] == "running"
    assert not any([await ended(crowded, run_id) for run_id in crowded.waiting])


async def ended(client, run_id):
    status = await client.ask("run_status", run_id=run_id)
    return status["payload"]["status"] == "completed"
