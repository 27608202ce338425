"""Many sockets that open at once, as after a deploy: read and written together, each for itself."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import IntegrityError
from django.test import override_settings

from chatrouting.chat import presence
from chatrouting.chat.models import Presence
from chatrouting.conf import chat_settings
from chatrouting.connections import registry, sessions
from chatrouting.connections.handshakes import received
from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.people import make_people, make_person
from routing_core.closing import CloseCode
from tests.connections.headers import cookie_of
from tests.connections.rows import Socket, a_row, row_of

BACKEND = "tests.connections.backends.AsksElsewhere"


@pytest.fixture
def looked(monkeypatch):
    """How many sessions each look was for."""
    found, look = [], sessions._signed_in

    def counted(keys):
        found.append(len(keys))
        return look(keys)

    monkeypatch.setattr(sessions, "_signed_in", counted)
    return found


@pytest.fixture
def process(services):
    process_id = registry.begin_process()
    yield process_id
    registry.end_process(process_id)


async def whose(*headers):
    """Whose sockets these are, which open at once: a user's id, or why one is refused."""
    scopes = [{"headers": list(each.items()), "client": None} for each in headers]
    found = await asyncio.gather(*map(received, scopes))
    return [each if isinstance(each, CloseCode) else each.person.id for each in found]


async def test_each_is_its_own_users(looked):
    """Row 1."""
    people = await in_database(make_people, 10)
    forged = {b"cookie": b"sessionid=" + b"a" * 32}

    found = await whose(*map(cookie_of, people), forged, {}, cookie_of(people[0]))

    ids = [person.user_id for person in people]
    assert found == [*ids, CloseCode.NO_SESSION, CloseCode.NO_SESSION, ids[0]]
    assert looked == [11]


async def test_all_sockets_of_one_session_are_let_in():
    person = await in_database(make_person)

    assert await whose(*[cookie_of(person)] * 5) == [person.user_id] * 5


async def test_a_backend_of_the_sites_own_is_asked_for_each_beside_the_others(looked):
    """It may be slow: nobody waits for what it says of somebody else."""
    with override_settings(AUTHENTICATION_BACKENDS=[BACKEND]):
        people = await in_database(make_people, 4)
        found = await whose(*map(cookie_of, people))

    assert found == [person.user_id for person in people]
    assert looked == [1] * 4


async def test_sessions_of_another_engine_are_asked_for_each_beside_the_others(looked, tmp_path):
    engine = "django.contrib.sessions.backends.file"
    with override_settings(SESSION_ENGINE=engine, SESSION_FILE_PATH=str(tmp_path)):
        people = await in_database(make_people, 4)
        found = await whose(*map(cookie_of, people))

    assert found == [person.user_id for person in people]
    assert looked == [1] * 4


async def test_who_is_to_be_served_first_is_seen_among_others():
    person, other = await in_database(make_people, 2)
    await in_database(put_first, person)

    scopes = [{"headers": list(cookie_of(each).items())} for each in (person, other)]
    found = await asyncio.gather(*map(received, scopes))

    assert [each.priority for each in found] == [True, False]


def put_first(person):
    group, _ = Group.objects.get_or_create(name=sessions.PRIORITY)
    group.user_set.add(int(person.user_id))


async def test_one_that_the_database_refuses_keeps_no_other_out(live):
    """Somebody's account is deleted in that moment."""
    rows = [await in_database(a_row) for _ in range(9)]
    gone = rows[4]
    await in_database(get_user_model().objects.filter(pk=gone.user_id).delete)

    added = await asyncio.gather(*(live.add(Socket(row)) for row in rows), return_exceptions=True)

    refused = [row for row, came in zip(rows, added, strict=True) if came is not True]
    assert refused == [gone]
    assert isinstance(added[4], IntegrityError)
    theirs = Connection.objects.filter(pk__in=[row.pk for row in rows])
    assert await in_database(theirs.count) == len(rows) - 1


def test_of_several_sockets_of_one_user_the_first_is_told_what_came_of_them(process):
    person, other = make_person(), make_person()
    limit = chat_settings().connections_per_user
    rows = [row_of(person, process) for _ in range(limit + 2)]

    found = registry.open_connections([*rows, row_of(other, process)])

    oldest = {str(row.pk) for row in sorted(rows, key=lambda row: row.opened_at)[:2]}
    assert set(found[rows[0]].over) == oldest
    assert [found[row].first for row in rows] == [True] + [False] * (len(rows) - 1)
    assert {found[row].over for row in rows[1:]} == {()}


def test_those_who_were_offline_come_online(process):
    known, new = ([person.user_id for person in make_people(3)] for _ in range(2))
    assert presence.came(known) == set(known)
    Presence.objects.filter(user_id__in=known).update(left_at="2020-01-01T00:00:00Z")

    assert presence.came([*known, *new, new[0]]) == set(new)
    assert presence.came([*known, *new]) == set()
    assert not Presence.objects.filter(user_id__in=known, left_at__isnull=False).exists()


def test_whom_another_process_was_faster_for_was_online_before(monkeypatch):
    faster, new = (person.user_id for person in make_people(2))
    presence.came([faster])
    monkeypatch.setattr(presence, "update_in_order", lambda rows, **values: 0)

    assert presence.came([new, faster]) == {new}
