"""Passwords on real processes: how often one may be tried, and what a new one does to open sockets."""

import asyncio
import time
import uuid
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from chatrouting.database import in_database
from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.people import Person, make_person, sign_in
from chatrouting.testing.system import System
from tests.integration.pages import Pages

AT_ONCE = 2.0
LOGIN, ADMIN, CHANGE = "/accounts/login/", "/admin/login/", "/accounts/password_change/"
NEW = "a-new-Xk3-ou7-wq9"


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


def with_password(name):
    """Somebody on the staff, whose password is `right`, signed in with it."""
    person = make_person(name, is_staff=True)
    user = user_of(person)
    user.set_password("right")
    user.save()
    return Person(person.user_id, person.name, sign_in(user))


def second_session(person):
    return Person(person.user_id, person.name, sign_in(user_of(person)))


@pytest.fixture
async def alice(services):
    return await in_database(with_password, "alice")


async def change_password(pages):
    """Change it as the page does; returns when the answer is there."""
    form = {"old_password": "right", "new_password1": NEW, "new_password2": NEW}
    return await asyncio.to_thread(lambda: pages.post(CHANGE, **form))


def test_failures_are_counted_over_all_web_processes(system, web):
    """Five in all, on whichever process and page they are made."""
    other, name = system.web(), uuid.uuid4().hex
    tried = [(web, LOGIN), (other, ADMIN), (web, ADMIN), (other, LOGIN), (web, LOGIN)]

    first = [Pages(each).post(page, username=name, password="wrong") for each, page in tried]
    then = [Pages(each).post(LOGIN, username=name, password="wrong") for each in (web, other)]

    assert (first, then) == ([200] * 5, [429] * 2)


def test_while_valkey_is_away_people_sign_in_and_guesses_are_limited(services, tmp_path):
    """Row 53: nothing hangs, each process counts for itself."""
    person = with_password("carol")
    with System(tmp_path) as started:
        with EmbeddedValkey(tmp_path):
            web = started.web(
                REDIS_URL=valkey_url(Path(tmp_path)), CHATROUTING_SIGN_IN_FAILURES="2"
            )
        begun = time.monotonic()
        wrong = [Pages(web).post(LOGIN, username="guessed", password="wrong") for _ in range(3)]
        right = Pages(web)
        statuses = [
            right.post(page, username=person.name, password="right") for page in (LOGIN, ADMIN)
        ]
        took = time.monotonic() - begun

        assert wrong == [200] * 2 + [429]
        assert statuses == [302, 302]
        assert took < 20
        assert "counts failed sign-ins alone" in web.output
        web.assert_no_traceback()


async def test_a_changed_password_ends_every_other_session(web, alice):
    """Row 12: their sockets close within 2 s, and their cookies open no more."""
    elsewhere = await in_database(second_session, alice)
    async with await web.connect(alice), await web.connect(elsewhere) as other:
        assert await change_password(Pages.of(web, alice)) == 302

        bye = await other.expect_close(4401, seconds=AT_ONCE)
        assert bye["reconnect"] == "login"
    async with await web.open(elsewhere) as again:
        await again.expect_close(4401)


async def test_the_session_that_changed_the_password_goes_on_with_its_new_cookie(web, alice):
    """Row 12: its sockets end when the browser has that cookie, come back with it, and miss nothing."""
    pages = Pages.of(web, alice)
    async with await web.connect(alice) as one, await web.connect(alice) as two:
        assert await change_password(pages) == 302
        assert [frame["type"] for frame in (*one.frames, *two.frames)] == ["welcome"] * 2
        for client in (one, two):
            await client.expect_close(4401, seconds=AT_ONCE)
        position = (one.welcome["epoch"], one.seq)

    renewed = Person(alice.user_id, alice.name, pages.session_key)
    assert renewed.session_key != alice.session_key
    async with await web.connect(renewed, since=position) as back:
        assert back.welcome["recovered"] is True
        await back.assert_silent()


async def test_a_changed_password_disturbs_nobody_else(web, alice):
    """Row 61."""
    bob = await in_database(make_person, "bob")
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        await change_password(Pages.of(web, alice))
        await a.expect_close(4401, seconds=AT_ONCE)
        await b.assert_silent()


async def test_a_change_in_the_console_goes_on_likewise(web, alice):
    """Row 12: whatever page renews the cookie."""
    pages = Pages.of(web, alice)
    form = {"old_password": "right", "new_password1": NEW, "new_password2": NEW}
    async with await web.connect(alice) as a:
        status = await asyncio.to_thread(lambda: pages.post("/admin/password_change/", **form))
        assert (status, [frame["type"] for frame in a.frames]) == (302, ["welcome"])
        await a.expect_close(4401, seconds=AT_ONCE)

    async with await web.connect(Person(alice.user_id, alice.name, pages.session_key)) as back:
        await back.assert_silent()
