"""The two pages where a password is given: as often as is allowed, and nothing is told about names."""

import re
import uuid

import msgspec
import pytest
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from chatrouting.chat import attempts
from chatrouting.chat.sign_in import in_words
from chatrouting.conf import chat_settings
from chatrouting.testing.people import make_person

PAGES = ("/accounts/login/", "/admin/login/")
HERE, THERE = "192.0.2.1", "192.0.2.2"

pages = pytest.mark.parametrize("page", PAGES)


@pytest.fixture(autouse=True)
def two_failures(monkeypatch):
    """As many as are allowed; and to look at a password takes no time."""
    few = msgspec.structs.replace(chat_settings(), sign_in_failures=2)
    monkeypatch.setattr(attempts, "chat_settings", lambda: few)
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def name():
    """Somebody on the staff, whose password is `right`."""
    user = get_user_model().objects.get(pk=make_person(is_staff=True).user_id)
    user.set_password("right")
    user.save()
    return user.get_username()


def in_wide_letters(name):
    return "".join(chr(ord(letter) + 0xFEE0) for letter in name)


def give(page, name, password, address=HERE):
    """Sign in with a fresh browser at this address."""
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=address)
    return client.post(page, {"username": name, "password": password})


def fail(page, name, address=HERE):
    for _ in range(2):
        assert give(page, name, "wrong", address).status_code == 200


def shown(response, name):
    """The whole answer, but for the name that was given and the form's token."""
    html = response.content.decode().replace(name, "NAME")
    return re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', r"\1", html)


@pages
def test_after_too_many_failures_no_password_is_looked_at(page, name):
    fail(page, name)

    response = give(page, name, "right")

    assert response.status_code == 429
    assert 280 < int(response.headers["Retry-After"]) <= 300
    assert "Too many failed attempts. Try again in 5 minutes." in response.content.decode()
    assert "sessionid" not in response.cookies


@pages
def test_a_refusal_comes_in_the_look_of_its_page(page, name):
    fail(page, name)

    html = give(page, name, "wrong").content.decode()

    assert 'name="password"' in html
    assert "<style" not in html
    assert "stylesheet" in html


@pages
def test_failures_on_one_page_count_on_the_other(page, name):
    fail(page, name)

    assert {give(each, name, "right").status_code for each in PAGES} == {429}


@pages
def test_a_stranger_cannot_lock_a_user_out(page, name):
    fail(page, name, THERE)
    assert give(page, name, "wrong", THERE).status_code == 429

    assert give(page, name, "right", HERE).status_code == 302


def test_one_who_tries_many_names_locks_out_none(name):
    for _ in range(6):
        assert give(PAGES[0], uuid.uuid4().hex, "wrong").status_code == 200

    assert give(PAGES[0], name, "right").status_code == 302


@pages
def test_a_name_that_exists_looks_like_one_that_does_not(page, name):
    nobody = uuid.uuid4().hex
    for _ in range(3):
        known, unknown = give(page, name, "wrong"), give(page, nobody, "wrong")

        assert known.status_code == unknown.status_code
        assert shown(known, name) == shown(unknown, nobody)
    assert known.status_code == 429


@pages
def test_a_success_forgets_the_failures(page, name):
    assert give(page, name, "wrong").status_code == 200
    assert give(page, name, "right").status_code == 302

    fail(page, name)


def test_signing_in_as_oneself_forgives_nothing_to_others(name):
    """Who has an account here cannot guess another's password between two sign-ins of their own."""
    own = get_user_model().objects.create_user(uuid.uuid4().hex, password="own").get_username()
    fail(PAGES[0], name)
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=HERE)
    for given in ({"username": own, "password": "own"}, {"username": name, "password": "wrong"}):
        assert client.post(PAGES[0], given).status_code == 302

    assert give(PAGES[0], name, "right").status_code == 429


@pytest.mark.parametrize("disguise", [" {} ".format, "{}\u3000".format, in_wide_letters])
def test_a_name_in_disguise_is_the_same_name(name, disguise):
    """Django strips a name and brings it into one form before it looks for it."""
    assert give(PAGES[0], disguise(name), "right").status_code == 302
    fail(PAGES[0], name)

    assert give(PAGES[0], disguise(name), "right").status_code == 429


@pytest.mark.parametrize("given", [("", "a"), ("{}", ""), ("", "")])
def test_a_form_that_is_not_filled_in_is_no_attempt(name, given):
    for _ in range(4):
        assert give(PAGES[0], given[0].format(name), given[1]).status_code == 200

    assert give(PAGES[0], name, "right").status_code == 302


def test_a_form_without_a_password_forgives_nothing(name):
    fail(PAGES[0], name)

    give(PAGES[0], name, "")

    assert give(PAGES[0], name, "right").status_code == 429


def test_a_page_that_is_only_looked_at_is_no_attempt(name):
    fail(PAGES[0], name)
    client = Client(headers={"host": "localhost"}, REMOTE_ADDR=HERE)

    assert client.get(PAGES[0]).status_code == 200


def test_a_header_of_the_client_is_no_address(name):
    for number in range(3):
        client = Client(headers={"host": "localhost"}, REMOTE_ADDR=HERE)
        response = client.post(
            PAGES[0],
            {"username": name, "password": "wrong"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )

    assert response.status_code == 429


def test_the_log_tells_of_a_refusal_and_not_who_was_meant(name, caplog):
    """People write their password where the name belongs."""
    fail(PAGES[0], name)
    give(PAGES[0], name, "wrong")

    assert f"a sign-in from {HERE} was refused" in caplog.text
    assert name not in caplog.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes"),
     (300, "5 minutes"), (3600, "1 hour"), (3601, "2 hours"), (86400, "24 hours")],
)  # fmt: skip
def test_a_wait_is_told_in_words(seconds, words):
    assert in_words(seconds) == words
