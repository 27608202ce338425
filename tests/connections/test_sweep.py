"""Every session is looked at now and then, all with few questions, and when it was to run out."""

import asyncio
import contextlib
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from chatrouting.conf import ChatSettings
from chatrouting.connections import sweep
from chatrouting.connections.sessions import SignedIn
from chatrouting.connections.sweep import Sweep
from chatrouting.database import in_database
from chatrouting.testing.people import make_people
from routing_core.closing import CloseCode
from tests.agents.waiting import until
from tests.connections.headers import cookie_of


class Socket:
    """A socket of somebody who is signed in."""

    def __init__(self, person, expires_at=None):
        self.look = cookie_of(person), person.user_id
        self.expires_at = expires_at
        self.stood = []

    def stand(self, standing):
        self.stood.append(standing)
        if isinstance(standing, SignedIn):
            self.expires_at = standing.expires_at


@pytest.fixture
async def people(services):
    return await in_database(make_people, 2)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(sweep, "chat_settings", lambda: ChatSettings(session_check_seconds=0.05))


@contextlib.asynccontextmanager
async def sweeping(*sockets):
    """The sweep is at work."""
    at_work = Sweep(lambda: sockets)
    for socket in sockets:
        at_work.note(socket)
    task = asyncio.create_task(at_work.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def stood(socket):
    async def as_told():
        return socket.stood

    return (await until(as_told))[0]


def in_a_moment(seconds=0.1):
    return timezone.now() + timedelta(seconds=seconds)


async def test_each_is_told_how_it_stands(people, often):
    """Row 12: found by a sweep, where nobody told."""
    stays, goes = (Socket(person) for person in people)
    await in_database(Session.objects.filter(pk=people[1].session_key).delete)

    async with sweeping(stays, goes):
        assert isinstance(await stood(stays), SignedIn)
        assert await stood(goes) is CloseCode.NO_SESSION


async def test_many_are_looked_at_with_one_question(people, often, monkeypatch):
    asked = []
    monkeypatch.setattr(
        sweep, "standings", lambda looks: asked.append(len(looks)) or [CloseCode.NO_SESSION] * 700
    )
    sockets = [Socket(people[0]) for _ in range(700)]

    async with sweeping(*sockets):
        await stood(sockets[-1])

    assert asked[:2] == [500, 200]


async def test_a_session_that_was_to_run_out_is_looked_at_then(people):
    """Row 12: within 2 s of its end, not with the next sweep."""
    runs_out, stays = Socket(people[0], in_a_moment()), Socket(people[1], in_a_moment(600))
    await in_database(Session.objects.filter(pk=people[0].session_key).delete)

    async with sweeping(runs_out, stays):
        assert await asyncio.wait_for(stood(runs_out), 2) is CloseCode.NO_SESSION

    assert stays.stood == []


async def test_a_session_that_was_extended_is_looked_at_again_at_its_new_end(people):
    """Row 12: sliding sessions."""
    rows = Session.objects.filter(pk=people[0].session_key)
    await in_database(rows.update, expire_date=in_a_moment(1.2))
    socket = Socket(people[0], in_a_moment())

    async with sweeping(socket):
        assert isinstance(await stood(socket), SignedIn)

        async def twice():
            return len(socket.stood) == 2

        await until(twice)

    assert socket.stood[1] is CloseCode.NO_SESSION


async def test_a_database_that_is_away_ends_no_sweep(people, often, monkeypatch, caplog):
    answers = [OSError("the database is away"), [CloseCode.NO_SESSION]]

    def failing_once(looks):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(sweep, "standings", failing_once)
    socket = Socket(people[0])

    async with sweeping(socket):
        assert await stood(socket) is CloseCode.NO_SESSION

    assert "1 sessions could not be checked: OSError: the database is away" in caplog.text
    assert "Traceback" not in caplog.text
