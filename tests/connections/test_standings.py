"""How many sockets stand at once: what holds for one holds for each, at the price of two queries."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client, override_settings
from django.utils import timezone

from chatrouting.connections import sessions
from chatrouting.connections.sessions import SignedIn, standings
from chatrouting.testing.people import Person, make_people, make_person, sign_in
from routing_core.closing import CloseCode
from tests.connections.headers import cookie_of, signed_in
from tests.connections.statements import statements

BACKENDS = "tests.connections.backends"


def user_of(person):
    return get_user_model().objects.get(pk=person.user_id)


def look_of(person):
    return cookie_of(person), person.user_id


def disabled_person():
    person = make_person()
    get_user_model().objects.filter(pk=person.user_id).update(is_active=False)
    return person


def signed_out_person():
    person = make_person()
    SessionStore(person.session_key).flush()
    return person


def test_each_is_told_in_the_order_they_were_asked_for():
    """Row 12: 4401 and 4005 go to those they are meant for."""
    one, other = make_people(2)
    looks = [
        look_of(one),
        look_of(signed_out_person()),
        look_of(disabled_person()),
        (cookie_of(one), other.user_id),
        ({}, other.user_id),
        look_of(other),
    ]

    found = standings(looks)

    assert found == [
        signed_in(cookie_of(one)),
        CloseCode.NO_SESSION,
        CloseCode.ACCOUNT_DISABLED,
        CloseCode.NO_SESSION,
        CloseCode.NO_SESSION,
        signed_in(cookie_of(other)),
    ]


def test_nobody_is_nothing_to_ask():
    with statements() as sent:
        assert standings([]) == []

    assert sent == []


def test_many_good_sessions_cost_one_query_and_their_users_another():
    people = make_people(5)
    second = Person(people[0].user_id, people[0].name, sign_in(user_of(people[0])))

    with statements() as sent:
        found = standings([look_of(person) for person in [*people, second, people[1]]])

    assert all(isinstance(each, SignedIn) for each in found)
    assert len(sent) == 2


def test_no_query_asks_for_more_than_a_database_takes(monkeypatch):
    monkeypatch.setattr(sessions, "AT_ONCE", 2)
    people = make_people(5)

    with statements() as sent:
        found = standings([look_of(person) for person in people])

    assert [each.person.id for each in found] == [person.user_id for person in people]
    assert len(sent) == 6


@pytest.mark.parametrize("pk", [10**30, "x", [], "9" * 400])
def test_one_odd_session_spoils_no_other(pk):
    odd, person = make_people(2)
    session = SessionStore(odd.session_key)
    session[SESSION_KEY] = pk
    session.save()

    assert standings([look_of(odd), look_of(person)]) == [
        CloseCode.NO_SESSION,
        signed_in(cookie_of(person)),
    ]


@pytest.mark.parametrize("backend", ["AsksElsewhere", "Particular"])
def test_a_backend_has_a_veto(backend):
    """Row 12: whom the backend no longer knows is signed out, as on Django's pages."""
    with override_settings(AUTHENTICATION_BACKENDS=[f"{BACKENDS}.{backend}"]):
        known, gone = make_person(), make_person("gone")

        assert signed_in(cookie_of(gone)) is None
        assert standings([look_of(known), look_of(gone)]) == [
            signed_in(cookie_of(known)),
            CloseCode.NO_SESSION,
        ]


def test_a_disabled_account_is_refused_also_where_its_backend_is_lenient():
    with override_settings(AUTHENTICATION_BACKENDS=[f"{BACKENDS}.Lenient"]):
        person = disabled_person()

        assert standings([look_of(person)]) == [CloseCode.ACCOUNT_DISABLED]


@pytest.mark.parametrize("engine", ["cached_db", "file", "signed_cookies"])
def test_other_session_engines_are_asked_too(engine, tmp_path):
    """Of `cached_db` the database has every session, the others are asked one by one."""
    with override_settings(
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}", SESSION_FILE_PATH=str(tmp_path)
    ):
        person, stranger = make_people(2)
        looks = [look_of(person), (cookie_of(stranger), person.user_id)]

        good, bad = standings(looks)

    assert good.person.id == person.user_id
    assert (good.expires_at is None) == (engine != "cached_db")
    assert bad is CloseCode.NO_SESSION


def test_the_end_of_a_session_is_told():
    """Row 12: so that a socket can end with it."""
    person = make_person()

    found = signed_in(cookie_of(person))

    assert found.expires_at == Session.objects.get(pk=person.session_key).expire_date


def test_a_session_that_a_request_extended_ends_later():
    """Row 12: a socket that was opened before stays as long as the session does."""
    person = make_person()
    soon = timezone.now() + timedelta(seconds=60)
    Session.objects.filter(pk=person.session_key).update(expire_date=soon)
    client = Client(headers={"host": "localhost"})
    client.cookies[settings.SESSION_COOKIE_NAME] = person.session_key

    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        client.get("/")

    (found,) = standings([look_of(person)])
    assert found.expires_at > soon


def test_a_look_extends_nothing():
    """A socket never extends a session silently."""
    person = make_person()
    soon = timezone.now() + timedelta(seconds=60)
    Session.objects.filter(pk=person.session_key).update(expire_date=soon)

    with override_settings(SESSION_SAVE_EVERY_REQUEST=True), statements() as sent:
        (found,) = standings([look_of(person)])

    assert found.expires_at == soon
    assert {sql.split()[0] for sql in sent} == {"SELECT"}


def test_an_expired_session_is_over():
    """Row 12."""
    person = make_person()
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk=person.session_key).update(expire_date=past)

    assert standings([look_of(person)]) == [CloseCode.NO_SESSION]
