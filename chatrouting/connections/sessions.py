"""Whose socket this is: a fresh look at the Django session, which is never written from a socket."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.http.cookie import parse_cookie
from django.utils.crypto import constant_time_compare

from chatrouting.threads.rules import Person
from routing_core.closing import CloseCode


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a session belongs to. `digest` stands for the session without being a credential."""

    person: Person
    digest: str


def signed_in(headers: Mapping[bytes, bytes]) -> SignedIn | None:
    """The person of the session cookie; None where there is none, or it is no longer good."""
    key = _session_key(headers)
    if key is None:
        return None
    session: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = _user(session)
    if user is None or not user.is_active or not _vouches(session, user):
        return None
    return SignedIn(Person(str(user.pk), user.get_username()), session_digest(key))


def session_digest(key: str) -> str:
    """What stands for a session where its key must not be shown."""
    return hashlib.sha256(key.encode()).hexdigest()


def revoked(headers: Mapping[bytes, bytes], user_id: str) -> CloseCode | None:
    """With which code a socket that was opened with these headers must close; None where it may stay."""
    found = signed_in(headers)
    if found is not None and found.person.id == user_id:
        return None
    users = get_user_model()._default_manager
    disabled = users.filter(pk=user_id, is_active=False).exists()
    return CloseCode.ACCOUNT_DISABLED if disabled else CloseCode.NO_SESSION


def _session_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Read as Django's pages read it: an odd cookie of another application hides none of ours.

    A quoted cookie may hold any character; of those that cannot be printed PostgreSQL refuses NUL.
    """
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    key = cookies.get(settings.SESSION_COOKIE_NAME, "")
    return key if key and key.isprintable() else None


def _user(session: SessionBase) -> AbstractBaseUser | None:
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    users = get_user_model()
    try:
        pk = users._meta.pk.to_python(session.get(SESSION_KEY))
    except ValidationError:
        return None
    return users._default_manager.filter(pk=pk).first()


def _vouches(session: SessionBase, user: Any) -> bool:
    """Whether the session was made with the password the user has now.

    A hash made with an older key of `SECRET_KEY_FALLBACKS` is good too, and is left as it is: the next
    page renews it.
    """
    given = session.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return bool(given) and any(constant_time_compare(given, each) for each in hashes)
