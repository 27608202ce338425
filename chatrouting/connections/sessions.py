"""Whose socket this is: a fresh look at the Django session, which is never written from a socket."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from chatrouting.threads.rules import Person


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
    digest = hashlib.sha256(key.encode()).hexdigest()
    return SignedIn(Person(str(user.pk), user.get_username()), digest)


def _session_key(headers: Mapping[bytes, bytes]) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get(b"cookie", b"").decode("latin1"))
    except CookieError:
        return None
    found = cookies.get(settings.SESSION_COOKIE_NAME)
    return found.value if found and found.value else None


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
