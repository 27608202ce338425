"""An operator proves that a running deployment delivers."""

import asyncio
import json
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from chatrouting.database import in_database
from chatrouting.testing.system import free_port


def verified(url, **options):
    output = StringIO()
    call_command("verify_delivery", url=url, json=True, stdout=output, **options)
    return json.loads(output.getvalue())


async def test_sockets_that_are_cut_have_everything_once(web):
    """Rows 45, 66, 69: while sockets are cut, three devices of each person get all, in order, once."""
    figures = await in_database(
        verified, web.origin, users=3, devices=3, events=40, rate=40, cuts=20
    )

    assert (figures["published"], figures["delivered"]) == (120, 360)
    assert figures["cuts"] > 5
    assert figures["recovered"] > 0
    assert [figures[name] for name in ("lost", "doubled", "disordered", "crossed")] == [0, 0, 0, 0]


async def test_its_people_are_gone_afterwards(web):
    before = await in_database(get_user_model().objects.count)
    await in_database(verified, web.origin, users=2, devices=1, events=2, rate=50)

    assert await in_database(get_user_model().objects.count) == before


async def test_a_site_that_takes_no_more_sockets_is_said_so(system, worker):
    web = await asyncio.to_thread(lambda: system.web(CHATROUTING_CONNECTIONS_PER_ADDRESS="1"))

    with pytest.raises(CommandError, match=r"refused a socket: over capacity \(4100\)"):
        await in_database(verified, web.origin, users=1, devices=2)


async def test_a_site_that_is_not_there_is_said_so(services):
    with pytest.raises(CommandError, match="cannot be reached"):
        await in_database(verified, f"http://127.0.0.1:{free_port()}/", users=1)
