"""The accounts of a trial installation: made on its first start, refused anywhere else."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from chatrouting.threads.membership import SHARE

PASSWORD = "demo"  # noqa: S105 - reason: it is meant to be known; production refuses to start with it
PEOPLE = ("alice", "bob")
OPERATOR = "admin"


def make_demo_accounts() -> None:
    """Make them where nobody has an account yet. They may share threads, also those of an earlier version."""
    users = get_user_model()
    if not users.objects.exists():
        for name in PEOPLE:
            users.objects.create_user(name, password=PASSWORD)
        users.objects.create_superuser(OPERATOR, password=PASSWORD)
    app, _, codename = SHARE.partition(".")
    share = Permission.objects.get(content_type__app_label=app, codename=codename)
    for user in users.objects.filter(username__in=PEOPLE).exclude(user_permissions=share):
        if user.check_password(PASSWORD):  # else the account is somebody's own by now
            user.user_permissions.add(share)


def open_demo_accounts() -> list[str]:
    """The demo accounts that can still sign in with the password everybody knows."""
    found = get_user_model().objects.filter(username__in=(*PEOPLE, OPERATOR), is_active=True)
    return sorted(user.get_username() for user in found if user.check_password(PASSWORD))
