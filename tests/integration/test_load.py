"""A load on real sockets: everybody gets everything; the figures are reported."""

import asyncio
import os

from chatrouting.database import in_database
from chatrouting.testing.device import Site
from chatrouting.testing.people import make_people
from chatrouting.testing.verification import Plan, verify

SOCKETS = int(os.environ.get("TEST_SOCKETS") or 200)
AT_ONCE = 20
EVENTS = 20


async def test_a_stated_load_is_held_on_real_sockets(system, worker, report):
    """Row 117: so many users with a socket each, ten events a second for each; none is lost."""
    web = await asyncio.to_thread(
        lambda: system.web(CHATROUTING_CONNECTIONS_PER_ADDRESS=str(SOCKETS))
    )
    people = []
    while len(people) < SOCKETS:
        people += await in_database(make_people, min(AT_ONCE, SOCKETS - len(people)))
    plan = Plan(devices=1, events=EVENTS, events_per_second=10, cuts=0, seconds=60)

    found = await verify(Site(web.url, web.origin), people, plan)

    assert found.good
    assert found.delivered == SOCKETS * EVENTS
    report(
        f"{SOCKETS} sockets, {10 * SOCKETS} events a second: "
        f"p50 {found.latency_ms(0.5):.0f} ms, p99 {found.latency_ms(0.99):.0f} ms"
    )
