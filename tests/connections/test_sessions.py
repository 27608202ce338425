"""Whose socket this is: only a session that is good now, and nothing is written to it."""

import hashlib
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import override_settings
from django.utils import timezone

from chatrouting.testing.people import make_person
from tests.connections.headers import cookie_of, signed_in
from tests.connections.statements import statements

NAME = settings.SESSION_COOKIE_NAME


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


def change(person, **values):
    """Write into the person's session."""
    session = SessionStore(person.session_key)
    for name, value in values.items():
        session[name] = value
    session.save()


def test_a_good_session_is_its_person():
    """Row 1."""
    person = make_person()

    found = signed_in(cookie_of(person))

    assert found is not None
    assert (found.person.id, found.person.name) == (person.user_id, person.name)


def test_who_is_in_the_group_of_that_name_has_priority():
    """Row 113."""
    person, other = make_person(), make_person()
    group, _ = Group.objects.get_or_create(name="priority")
    user_of(person).groups.add(group)

    found = [signed_in(cookie_of(each)) for each in (person, other)]

    assert [each.priority for each in found] == [True, False]


def test_the_digest_is_no_credential():
    person = make_person()

    found = signed_in(cookie_of(person))

    assert found is not None
    assert found.digest == hashlib.sha256(person.session_key.encode()).hexdigest()
    assert signed_in({b"cookie": f"{NAME}={found.digest}".encode()}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"cookie": b""},
        {b"cookie": b"other=1"},
        {b"cookie": f"{NAME}=".encode()},
        {b"cookie": f"{NAME}".encode()},
        {b"cookie": f"{NAME}=forged".encode()},
        {b"cookie": f"{NAME}={'a' * 32}".encode()},
        {b"cookie": f"{NAME}={'a' * 60_000}".encode()},
        {b"cookie": f'{NAME}="a\\000b"'.encode()},
        {b"cookie": f"{NAME}=".encode() + bytes(range(128, 256))},
        {b"cookie": b"\xff\xfe=\x00;;;==;"},
        {b"authorization": b"Bearer x"},
    ],
)
def test_without_a_session_nobody_is_signed_in(headers):
    """Row 2, 3: no session, or a forged one."""
    assert signed_in(headers) is None


def test_a_session_key_elsewhere_is_no_credential():
    """Row 4, 5: no other header yields a session."""
    person = make_person()
    key = person.session_key

    for name in (b"authorization", b"sec-websocket-protocol", b"x-session", b"x-user-id"):
        assert signed_in({name: key.encode()}) is None
    assert signed_in({b"cookie": f"session={key}; user_id={person.user_id}".encode()}) is None


def test_an_odd_cookie_of_another_application_hides_nothing():
    person = make_person()

    header = f'prefs={{"a":[1,2]}}; bad cookie; {person.cookie}; x=\u00e9'.encode("latin1")

    assert signed_in({b"cookie": header}) is not None


def test_an_expired_session_is_refused():
    """Row 3."""
    person = make_person()
    expired = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk=person.session_key).update(expire_date=expired)

    assert signed_in(cookie_of(person)) is None


def test_a_flushed_session_is_refused():
    """Row 3."""
    person = make_person()
    SessionStore(person.session_key).flush()

    assert signed_in(cookie_of(person)) is None


def test_a_session_whose_data_were_tampered_with_is_refused(caplog):
    """Row 3: unsigned."""
    person = make_person()
    row = Session.objects.get(pk=person.session_key)
    row.session_data = row.session_data[:-3] + "AAA"
    row.save()

    assert signed_in(cookie_of(person)) is None


def test_a_session_that_nobody_signed_in_to_is_refused():
    session = SessionStore()
    session["basket"] = [1]
    session.save()

    assert signed_in({b"cookie": f"{NAME}={session.session_key}".encode()}) is None


@pytest.mark.parametrize("backend", ["", "other.Backend", None])
def test_a_session_of_another_backend_is_refused(backend):
    person = make_person()
    change(person, **{BACKEND_SESSION_KEY: backend})

    assert signed_in(cookie_of(person)) is None


@pytest.mark.parametrize("pk", ["", "x", None, [], -1, 10**30, "9" * 400])
def test_a_session_that_names_nobody_is_refused(pk):
    person = make_person()
    change(person, **{SESSION_KEY: pk})

    assert signed_in(cookie_of(person)) is None


@pytest.mark.parametrize("given", ["", "forged", None])
def test_a_session_without_the_users_hash_is_refused(given):
    person = make_person()
    change(person, **{HASH_SESSION_KEY: given})

    assert signed_in(cookie_of(person)) is None


def test_the_hash_of_another_user_is_refused():
    """Row 4."""
    person, other = make_person(), make_person()
    change(person, **{SESSION_KEY: other.user_id})

    assert signed_in(cookie_of(person)) is None


def test_an_inactive_person_is_refused():
    person = make_person()
    get_user_model().objects.filter(pk=person.user_id).update(is_active=False)

    assert signed_in(cookie_of(person)) is None


def test_a_deleted_person_is_refused():
    person = make_person()
    user_of(person).delete()

    assert signed_in(cookie_of(person)) is None


def test_a_changed_password_ends_the_session():
    person = make_person()
    user = user_of(person)
    user.password = "!other"
    user.save()

    assert signed_in(cookie_of(person)) is None


def as_stored(person):
    return Session.objects.filter(pk=person.session_key).values().get()


def test_a_rotated_key_keeps_the_session_and_leaves_its_row_alone():
    """Row 12: key rotation closes nothing and deletes no session."""
    person = make_person()
    before = as_stored(person)

    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        found = signed_in(cookie_of(person))

    assert found is not None and found.person.id == person.user_id
    assert as_stored(person) == before


def test_a_key_that_was_dropped_ends_the_session_and_leaves_its_row_alone(caplog):
    person = make_person()
    before = as_stored(person)

    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[]):
        assert signed_in(cookie_of(person)) is None

    assert as_stored(person) == before


def test_looking_writes_nothing():
    person = make_person()
    good, forged = cookie_of(person), {b"cookie": f"{NAME}={'a' * 32}".encode()}

    with statements() as sent:
        signed_in(good)
        signed_in(forged)

    assert {sql.split()[0] for sql in sent} == {"SELECT"}
