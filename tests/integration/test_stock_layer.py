"""A project may fall back to channels-redis's pub/sub layer, and loses only speed."""

import pytest

from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people, make_person
from chatrouting.testing.system import wait_until

STOCK = {"DJANGO_SETTINGS_MODULE": "tests.integration.stock_layer", "CHATROUTING_QUEUE": "stock"}


@pytest.fixture(scope="module")
def stock(system):
    """Two web processes and a worker on the stock layer."""
    system.worker(**STOCK)
    return system.web(**STOCK), system.web(**STOCK)


async def test_events_reach_every_device_once_and_in_order(stock):
    """Rows 40, 119: on both processes; nobody else sees them."""
    alice, bob = await in_database(make_people, 2)
    one, other = stock
    async with (
        await one.connect(alice) as a,
        await other.connect(alice) as a2,
        await one.connect(bob) as b,
    ):
        run_id = (await a.ask("user_message", content="/stream 40 5"))["payload"]["run_id"]
        assert await a.whole_run(run_id) == await a2.whole_run(run_id)
        check_run(a.of_run(run_id))
        a2.check_order()
        await b.assert_silent()


async def test_a_run_is_stopped(stock):
    """Row 97: nudges to the workers travel on it too."""
    alice = await in_database(make_person, "alice")
    async with await stock[1].connect(alice) as a:
        run_id = (await a.ask("user_message", content="/stream 5000 10"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        await a.ask("stop_agent", run_id=run_id)
        assert (await a.whole_run(run_id))[-1]["payload"]["outcome"] == "cancelled"


async def test_what_was_missed_is_sent_on_resume(stock):
    """Row 66."""
    alice = await in_database(make_person, "alice")
    async with await stock[0].connect(alice) as a:
        run_id = (await a.ask("user_message", content="/stream 60 5"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
    since = (a.welcome["epoch"], a.seq)
    async with await stock[1].connect(alice, since=since) as back:
        await back.whole_run(run_id)
        check_run(a.of_run(run_id) + back.of_run(run_id))


async def test_sockets_that_end_leave_nothing(stock):
    """Row 60."""
    alice = await in_database(make_person, "alice")
    before = stock[0].counted("chatrouting_connections_active")
    for _ in range(5):
        await (await stock[0].connect(alice)).drop()
    await in_database(
        wait_until, lambda: stock[0].counted("chatrouting_connections_active") == before, "the end"
    )
    stock[0].assert_no_traceback()
