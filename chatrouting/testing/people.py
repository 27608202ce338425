"""People for tests: a user of their own, and a session as a sign-in makes it."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.auth.models import Permission
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string

from chatrouting.accounts import name_field


@dataclass(frozen=True, slots=True)
class Person:
    """A user who is signed in. `cookie` is the value of the `Cookie` header."""

    user_id: str
    name: str
    session_key: str

    @property
    def cookie(self) -> str:
        return f"{settings.SESSION_COOKIE_NAME}={self.session_key}"


def make_person(name: str = "person", **fields: Any) -> Person:
    """Make a user under a name nobody has yet, without a password, and sign them in.

    `fields` are set on the user: `is_staff=True`.
    """
    user = get_user_model()(**{name_field(): f"{name}-{uuid.uuid4().hex[:12]}"}, **fields)
    user.set_unusable_password()
    user.save()
    return Person(str(user.pk), user.get_username(), sign_in(user))


def allow(person: Person, *permissions: str) -> Person:
    """Give a person these permissions, named as in `app_label.codename`."""
    user = get_user_model().objects.get(pk=person.user_id)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        user.user_permissions.add(found)
    return person


def make_people(count: int) -> list[Person]:
    """Several people at once."""
    return [make_person(f"person{number}") for number in range(count)]


def sign_in(user: Any) -> str:
    """Make a session as a sign-in does. Returns its key."""
    engine = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    session: SessionBase = engine()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key is not None
    return session.session_key
