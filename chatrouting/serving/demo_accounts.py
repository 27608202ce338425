"""The accounts of a trial installation: made on its first start, refused anywhere else."""

from collections.abc import Collection
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.db.models import QuerySet

from chatrouting.accounts import name_field
from chatrouting.threads.membership import SHARE

PASSWORD = "demo"  # noqa: S105 - reason: it is meant to be known; production refuses to start with it
PEOPLE = ("alice", "bob")
OPERATOR = "admin"


def make_demo_accounts() -> None:
    """Make them where nobody has an account yet. They may share threads, also those of an earlier version.

    A project with a user model of its own makes its own: nobody else knows what one needs.
    """
    if get_user_model() is not User:
        return
    if not User.objects.exists():
        for name in PEOPLE:
            User.objects.create_user(name, password=PASSWORD)
        User.objects.create_superuser(OPERATOR, password=PASSWORD)
    app, _, codename = SHARE.partition(".")
    share = Permission.objects.get(content_type__app_label=app, codename=codename)
    for user in _named(PEOPLE).exclude(user_permissions=share):
        if user.check_password(PASSWORD):  # else the account is somebody's own by now
            user.user_permissions.add(share)


def open_demo_accounts() -> list[str]:
    """The demo accounts that can still sign in with the password everybody knows."""
    found = _named((*PEOPLE, OPERATOR)).filter(is_active=True)
    return sorted(user.get_username() for user in found if user.check_password(PASSWORD))


def _named(names: Collection[str]) -> QuerySet[Any]:
    return get_user_model()._default_manager.filter(**{f"{name_field()}__in": names})
