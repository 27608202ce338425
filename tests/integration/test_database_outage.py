"""A PostgreSQL that is gone for a while: what is said meanwhile is refused, and all goes on by itself."""

import pytest
from django.conf import settings
from django.db import connection, connections

from chatrouting.testing.frames import assert_error
from chatrouting.testing.order import check_run
from tests.databases import out_of_reach

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="a file has no connections to lose"
)


@pytest.fixture(autouse=True)
def _opened_anew():
    """The tests' own connection is cut like the others: who comes next opens one."""
    yield
    connections.close_all()


async def test_web_and_worker_recover_without_a_restart(own_system, alice):
    """Row 53: nothing hangs, what was not committed is refused, recovery without restart."""
    queue = {"CHATROUTING_QUEUE": "outage"}
    web, _ = own_system.web(**queue), own_system.worker(**queue)
    async with await web.connect(alice, seconds=30) as a:
        run_id = (await a.ask("user_message", content="/stream 50 20"))["payload"]["run_id"]
        await a.expect_event("agent_delta")
        connections.close_all()
        with out_of_reach(settings.DATABASES["default"]):
            refused = await a.ask("user_message", content="hello")
        check_run(await a.whole_run(run_id))

        second = (await a.ask("user_message", content="hello"))["payload"]["run_id"]
        assert (await a.whole_run(second))[-1]["type"] == "agent_completed"
    assert_error(refused, refused["id"], "overloaded", retry_after_ms=2_000)
