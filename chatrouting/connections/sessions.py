"""Whose socket this is: a fresh look at the Django session, which is never written from a socket.

Many are looked at as one is: the sessions with one query, their users with another.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_backends,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.backends import cached_db, db
from django.core.exceptions import ValidationError
from django.http.cookie import parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from chatrouting.threads.rules import Person
from routing_core.closing import CloseCode

Headers = Mapping[bytes, bytes]
Look = tuple[Headers, str]  # of a socket: the headers it was opened with, and its user's id

PRIORITY = "priority"  # the group of those who are served first
AT_ONCE = 500  # sessions, or users, that one query asks for

# Engines of which the database has every session whole, so that one query reads many.
IN_DATABASE = (db.SessionStore.load, cached_db.SessionStore.load)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session belongs to. `digest` stands for the session without being a credential.

    `expires_at` is true at the moment of the look, for a request may extend the session; None where
    the session engine does not say. `priority` is looked at once, at the sign-in.
    """

    person: Person
    digest: str
    expires_at: datetime | None = None
    priority: bool = False


class _Data(Protocol):
    def get(self, name: str, default: Any = None, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Session:
    """What is kept under a session's key."""

    data: _Data
    expires_at: datetime | None


def signed_in(keys: Collection[str]) -> dict[str, SignedIn]:
    """The person of each of these sessions that is good."""
    found = _signed_in(keys)
    first = _with_priority({each.person.id for each in found.values()})
    return {key: replace(each, priority=each.person.id in first) for key, each in found.items()}


def _with_priority(user_ids: Collection[str]) -> set[str]:
    """Those of these users who are in the group; a user model without groups has no such users."""
    users: Any = get_user_model()
    if not issubclass(users, PermissionsMixin):
        return set()
    found = users._default_manager.filter(pk__in=user_ids, groups__name=PRIORITY)
    return {str(pk) for pk in found.values_list("pk", flat=True)}


def read_together() -> bool:
    """Whether many sessions are read as one is: another engine, or backend, is asked for each alone."""
    own = (getattr(type(backend), "get_user", None) for backend in get_backends())
    return _store().load in IN_DATABASE and all(each is ModelBackend.get_user for each in own)


def session_digest(key: str) -> str:
    """What stands for a session where its key must not be shown."""
    return hashlib.sha256(key.encode()).hexdigest()


def standings(looks: Sequence[Look]) -> list[SignedIn | CloseCode]:
    """How sockets stand, given the headers each was opened with and its user's id; in the same order.

    The session as it is now, or the code with which the socket must close.
    """
    starts = range(0, len(looks), AT_ONCE)
    return [each for start in starts for each in _standings(looks[start : start + AT_ONCE])]


def _standings(looks: Sequence[Look]) -> list[SignedIn | CloseCode]:
    asked = [(session_key(headers) or "", user_id) for headers, user_id in looks]
    found = _signed_in({key for key, _ in asked if key})
    good = {(key, each.person.id): each for key, each in found.items()}
    codes = _codes({each[1] for each in asked if each not in good})
    return [good.get(each) or codes[each[1]] for each in asked]


def _codes(user_ids: Collection[str]) -> dict[str, CloseCode]:
    """Why the sockets of these users close, who have no good session."""
    codes = dict.fromkeys(user_ids, CloseCode.NO_SESSION)
    if codes:
        users = get_user_model()._default_manager.filter(pk__in=user_ids)
        disabled = [str(user.pk) for user in users if not user.is_active]
        codes.update(dict.fromkeys(disabled, CloseCode.ACCOUNT_DISABLED))
    return codes


def session_key(headers: Headers) -> str | None:
    """The key in the session cookie; None where there is none.

    Read as Django's pages read it: an odd cookie of another application hides none of ours.
    A quoted cookie may hold any character; of those that cannot be printed PostgreSQL refuses NUL.
    """
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if key and key.isprintable() else None


def _signed_in(keys: Collection[str]) -> dict[str, SignedIn]:
    """The good ones of these sessions, by key."""
    sessions = _sessions(keys)
    return {
        key: SignedIn(
            Person(str(user.pk), user.get_username()), session_digest(key), sessions[key].expires_at
        )
        for key, user in _users(sessions).items()
        if user.is_active and _vouches(sessions[key].data, user)
    }


def _sessions(keys: Collection[str]) -> dict[str, _Session]:
    """What is kept under these keys and has not expired."""
    store = _store()
    if store.load not in IN_DATABASE:
        return {key: _Session(store(key), None) for key in keys}
    decode = store().decode
    rows = store.get_model_class().objects.filter(
        session_key__in=keys, expire_date__gt=timezone.now()
    )
    return {row.session_key: _Session(decode(row.session_data), row.expire_date) for row in rows}


def _store() -> Any:
    """What the settings keep sessions with."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def _users(sessions: Mapping[str, _Session]) -> dict[str, Any]:
    """The user of each session, as the backend that signed them in knows them: it has a veto."""
    named: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for key, session in sessions.items():
        path, pk = session.data.get(BACKEND_SESSION_KEY), _pk(session.data.get(SESSION_KEY))
        if pk is not None and path in settings.AUTHENTICATION_BACKENDS:
            named[path][key] = pk
    found: dict[str, Any] = {}
    for path, pks in named.items():
        users = _asked(load_backend(path), set(pks.values()))
        found |= {key: users[pk] for key, pk in pks.items() if users.get(pk) is not None}
    return found


def _asked(backend: Any, pks: Collection[Any]) -> dict[Any, Any]:
    """What the backend's `get_user` says of each; Django's own is put as one question."""
    if getattr(type(backend), "get_user", None) is not ModelBackend.get_user:
        return {pk: backend.get_user(pk) for pk in pks}
    users = get_user_model()._default_manager.in_bulk(pks)
    return {pk: user for pk, user in users.items() if backend.user_can_authenticate(user)}


def _pk(text: Any) -> Any:
    """A user's key as the session has it; None where it can be nobody's."""
    field = get_user_model()._meta.pk
    try:
        pk = field.to_python(text)
        field.run_validators(pk)
    except ValidationError:
        return None
    return pk


def _vouches(session: _Data, user: Any) -> bool:
    """Whether the session was made with the password the user has now.

    A hash made with an older key of `SECRET_KEY_FALLBACKS` is good too, and is left as it is: the next
    page renews it.
    """
    given = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return bool(given) and any(constant_time_compare(given, each) for each in hashes)
