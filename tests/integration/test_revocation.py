"""Sessions that end close their sockets; sockets over a limit give way."""

import http.client
import signal

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session

from chatrouting.database import in_database
from chatrouting.testing.people import Person, make_person, sign_in
from tests.proxies import a_proxy

AT_ONCE = 2.0
TOKEN = "c" * 32


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


def second_session(person):
    return Person(person.user_id, person.name, sign_in(user_of(person)))


def post(web, person, path):
    """Post an empty form as a page of the site does."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=5)
    cookie = f"{person.cookie}; {settings.CSRF_COOKIE_NAME}={TOKEN}"
    connection.request("POST", path, headers={"Cookie": cookie, "X-CSRFToken": TOKEN})
    status = connection.getresponse().status
    connection.close()
    return status


def change_password(person):
    user = user_of(person)
    user.set_password("another")
    user.save()


def disable(person):
    user = user_of(person)
    user.is_active = False
    user.save()


def disable_by_proxy(person):
    with a_proxy() as model:
        user = model.objects.get(pk=person.user_id)
        user.is_active = False
        user.save()


def delete_by_proxy(person):
    with a_proxy() as model:
        model.objects.filter(pk=person.user_id).delete()


ACTS = {
    "password change": (change_password, 4401),
    "deactivation": (disable, 4005),
    "deactivation by a proxy of the user model": (disable_by_proxy, 4005),
    "deletion of the account": (lambda person: user_of(person).delete(), 4401),
    "deletion by a proxy of the user model": (delete_by_proxy, 4401),
    "deletion of the session": (
        lambda person: Session.objects.get(session_key=person.session_key).delete(),
        4401,
    ),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_ends_a_session_closes_its_sockets_at_once(web, alice, act):
    """Row 12: within 2 s of the act, with the code that says what to do."""
    do, code = ACTS[act]
    async with await web.connect(alice) as a, await web.connect(alice) as other:
        await in_database(do, alice)
        for client in (a, other):
            await client.expect_close(code, seconds=AT_ONCE)


async def test_a_logout_closes_the_sockets_of_that_session_alone(web, alice):
    """Row 12: the person's other session goes on."""
    elsewhere = await in_database(second_session, alice)
    async with await web.connect(alice) as a, await web.connect(elsewhere) as b:
        assert post(web, alice, "/accounts/logout/") == 302
        bye = await a.expect_close(4401, seconds=AT_ONCE)
        assert bye["reconnect"] == "login"
        await b.assert_silent()


async def test_the_end_of_one_session_disturbs_nobody_else(web, alice):
    """Row 61: another person's socket stays as it is."""
    bob = await in_database(make_person, "bob")
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        await in_database(change_password, alice)
        await a.expect_close(4401, seconds=AT_ONCE)
        await b.assert_silent()


async def test_the_sweep_finds_what_nobody_told_of(system, alice):
    """Row 12: rows changed behind Django's back."""
    web = system.web(CHATROUTING_SESSION_CHECK_SECONDS="0.5")
    rows = Session.objects.filter(session_key=alice.session_key)
    async with await web.connect(alice) as a:
        await in_database(rows._raw_delete, "default")
        await a.expect_close(4401, seconds=AT_ONCE)


async def test_a_rotated_key_closes_nothing_and_deletes_no_session(system, alice):
    """Row 12: a session made under the older key opens a socket, outlives sweeps, and is not written."""
    row = Session.objects.filter(session_key=alice.session_key).values_list("session_data")
    before = await in_database(row.get)
    web = system.web(
        SECRET_KEY="a new key for the same site, long enough to be one",
        SECRET_KEY_FALLBACKS=settings.SECRET_KEY,
        CHATROUTING_SESSION_CHECK_SECONDS="0.2",
    )
    async with await web.connect(alice) as a:
        for _ in range(50):
            await a.ping()
        await in_database(lambda: user_of(alice).save())
        await a.assert_silent()
    assert await in_database(row.get) == before


async def test_the_oldest_socket_over_the_limit_gives_way(system, alice):
    """Row 10: counted over all processes; the others keep working."""
    first = system.web(CHATROUTING_CONNECTIONS_PER_USER="2")
    second = system.web(CHATROUTING_CONNECTIONS_PER_USER="2")
    oldest = await first.connect(alice)
    async with await second.connect(alice) as middle, await first.connect(alice) as newest:
        bye = await oldest.expect_close(4006, seconds=AT_ONCE)
        assert bye["reconnect"] == "stop"
        for client in (middle, newest):
            await client.assert_silent()


async def test_a_full_process_says_so(system, alice):
    """Row 10: 4100, come back later; who is there already is not disturbed."""
    web = system.web(CHATROUTING_CONNECTIONS_PER_PROCESS="1")
    bob = await in_database(make_person, "bob")
    async with await web.connect(alice) as a:
        refused = await web.open(bob)
        bye = await refused.expect_close(4100)
        assert bye["reconnect"] == "backoff"
        assert web.counted("chatrouting_connections_refused_total", reason="over_capacity") == 1
        await a.assert_silent()
    web.stop(signal.SIGTERM)
    web.assert_no_traceback()
