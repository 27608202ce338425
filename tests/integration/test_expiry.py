"""Sessions that run out, and sessions that requests extend, while sockets are open."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.utils import timezone

from chatrouting.database import in_database
from chatrouting.testing.people import make_people

SOON = timedelta(seconds=1.5)


def ends_soon(*people):
    """Their sessions run out in a moment."""
    rows = Session.objects.filter(pk__in=[person.session_key for person in people])
    rows.update(expire_date=timezone.now() + SOON)


def look_at_a_page(person):
    """As on a site whose requests extend the session."""
    client = Client(headers={"host": "localhost"})
    client.cookies[settings.SESSION_COOKIE_NAME] = person.session_key
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        client.get("/accounts/login/")


@pytest.fixture
async def people(services):
    return await in_database(make_people, 2)


async def test_a_session_that_runs_out_closes_its_sockets(web, people):
    """Row 12: within 2 s of its end; and the socket that is used does not extend it."""
    alice, bob = people
    await in_database(ends_soon, alice)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        await a.ping()

        bye = await a.expect_close(4401, seconds=3.5)

        assert bye["reconnect"] == "login"
        await b.assert_silent()


async def test_a_socket_stays_as_long_as_requests_extend_its_session(web, people):
    """Row 12: it was opened before, and outlives the end that was known then."""
    alice, bob = people
    await in_database(ends_soon, alice, bob)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        await in_database(look_at_a_page, alice)

        await b.expect_close(4401, seconds=3.5)

        await a.assert_silent()
