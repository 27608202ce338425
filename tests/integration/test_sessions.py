"""Only a good session of Django's opens a socket, and nothing but the session says who it is."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from chatrouting.connections.models import Connection
from chatrouting.database import in_database
from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person
from tests.integration.at_once import connect_and_say

SIGN_IN = {
    "type": "bye",
    "payload": {
        "code": 4401,
        "reason": "sign in again",
        "reconnect": "login",
        "after_ms": [0, 0],
    },
}


async def _refused(web, cookie, **more):
    """Connect, speak at once, and see that bye 4401 is all that ever comes."""
    async with await ProtocolClient.connect(
        more.pop("url", web.url), cookie=cookie, origin=web.origin, **more
    ) as socket:
        await socket.expect_close(4401)
        assert socket.frames == [SIGN_IN]


async def test_without_a_session_nothing_can_be_done(web):
    """Row 2: accepted, bye, close 4401; what is said in between is neither answered nor done."""
    active = web.counted("chatrouting_connections_active")
    routed = web.counted("chatrouting_messages_routed_total", type="ping")

    said = [json.dumps({"type": "ping", "id": f"p{number}"}) for number in range(5)]
    frames = await connect_and_say(web.url, {"Origin": web.origin}, said, lambda _: False)

    assert frames == [SIGN_IN]
    assert web.counted("chatrouting_messages_routed_total", type="ping") == routed
    assert web.counted("chatrouting_connections_active") == active


def _flush(key):
    SessionStore(key).flush()


def _expire(key):
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk=key).update(expire_date=past)


def _unsign(key):
    data = Session.objects.get(pk=key).session_data
    Session.objects.filter(pk=key).update(session_data=data[:-3] + "xyz")


def _set(key, **values):
    session = SessionStore(key)
    session.update(values)
    session.save()


def _owner(key):
    return get_user_model().objects.filter(pk=SessionStore(key)[SESSION_KEY])


def _change_password(key):
    user = _owner(key).get()
    user.set_password("another")
    user.save()


SPOILED = {
    "flushed": _flush,
    "expired": _expire,
    "its signature is wrong": _unsign,
    "its user is deactivated": lambda key: _owner(key).update(is_active=False),
    "its user is deleted": lambda key: _owner(key).delete(),
    "the password was changed since": _change_password,
    "it names no user": lambda key: _set(key, **{SESSION_KEY: "nobody"}),
    "its backend is not one of ours": lambda key: _set(key, **{BACKEND_SESSION_KEY: "os.path"}),
    "it has no password hash": lambda key: _set(key, **{HASH_SESSION_KEY: ""}),
}


@pytest.mark.parametrize("how", SPOILED)
async def test_a_session_that_is_no_longer_good_is_refused(web, how):
    """Row 3: bye 4401 is the only frame, so no part of cookie, header or setting is in any."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice):
        pass  # it was good

    await in_database(SPOILED[how], alice.session_key)

    await _refused(web, alice.cookie)


FORGED = {
    "unknown": "a" * 32,
    "short": "a",
    "long": "a" * 4_000,
    "a path": "../../../etc/passwd",
    "not printable": '"abcdefgh\\000\\012"',
    "not ASCII": "sch\u00fctzenfest",
    "quotes": "' OR ''='",
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_session_key_is_refused(web, how):
    """Row 3: whatever the cookie holds, bye 4401 is all that comes, and the server is not upset."""
    await _refused(web, f"{settings.SESSION_COOKIE_NAME}={FORGED[how]}")
    web.assert_no_traceback()


QUERIES = ("sessionid={key}", "session={key}", "token={key}", "user_id={id}&test=1&debug=1")


@pytest.mark.parametrize("query", QUERIES)
async def test_nothing_in_the_query_is_a_credential(web, query):
    """Rows 4 and 5: a good session key in the query opens nothing."""
    alice = await in_database(make_person, "alice")
    asked = query.format(key=alice.session_key, id=alice.user_id)

    await _refused(web, "", url=f"{web.url}?{asked}")


def _claims(person):
    return {
        "Authorization": f"Bearer {person.session_key}",
        "X-Session-Key": person.session_key,
        "X-User-Id": person.user_id,
        "X-Test-User": person.user_id,
        "X-Remote-User": person.name,
        "Remote-User": person.name,
        "X-Forwarded-User": person.name,
        "X-E2E-Bypass": "true",
        "Sec-WebSocket-Protocol": f"sessionid.{person.session_key}, {person.session_key}",
    }


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Session-Key", "X-User-Id", "X-Test-User", "X-Remote-User", "Remote-User",
     "X-Forwarded-User", "X-E2E-Bypass", "Sec-WebSocket-Protocol"],
)  # fmt: skip
async def test_no_header_or_subprotocol_is_a_credential(web, name):
    """Row 4: only the session cookie opens a socket."""
    alice = await in_database(make_person, "alice")

    await _refused(web, "", headers={name: _claims(alice)[name]})


async def test_no_header_or_query_names_another_user(web):
    """Rows 4 and 22: with a session of one's own, claims to be another change nothing."""
    alice, bob = await in_database(make_person, "alice"), await in_database(make_person, "bob")
    url = f"{web.url}?user_id={bob.user_id}&sessionid={bob.session_key}&username={bob.name}"

    async with await ProtocolClient.connect(
        url, cookie=alice.cookie, origin=web.origin, headers=_claims(bob)
    ) as a:
        await a.ready()
        assert a.welcome["user_id"] == alice.user_id
        assert await in_database(_owner_of, a.welcome["connection_id"]) == alice.user_id
        threads = await a.ask("list_threads")
        assert threads["payload"] == {"threads": [], "more": False}


def _owner_of(connection_id):
    return str(Connection.objects.get(pk=connection_id).user_id)


async def test_failed_connects_of_others_disturb_nobody(web):
    """Row 11: an answer comes whole while twenty strangers are turned away."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="What is 6 * 7?")
        for number in range(20):
            await _refused(web, f"{settings.SESSION_COOKIE_NAME}=stranger{number}")
        events = await a.whole_run(accepted["payload"]["run_id"])

        check_run(events)
        a.check_order()
        assert events[-1]["payload"]["outcome"] == "success"
