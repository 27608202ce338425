"""Many people with a session each, made at once."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.hashers import make_password

from tests.benchmarks.plan import Account


def make_accounts(count: int) -> list[Account]:
    """So many users, signed in as the sign-in page does it, without a password."""
    users = get_user_model()
    password = make_password(None)
    people = users.objects.bulk_create(
        users(username=f"bench-{number}", password=password) for number in range(count)
    )
    engine = import_module(settings.SESSION_ENGINE).SessionStore
    sessions = [_session(engine, user) for user in people]
    engine.get_model_class().objects.bulk_create(sessions)
    return [
        Account(str(user.pk), f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
        for user, session in zip(people, sessions, strict=True)
    ]


def _session(engine: Any, user: Any) -> Any:
    """The row of a session as a sign-in makes it, not saved."""
    return engine().create_model_instance(
        {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
    )
