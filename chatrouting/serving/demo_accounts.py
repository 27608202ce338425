"""The accounts of a trial installation: made on its first start, refused anywhere else."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from chatrouting.threads.membership import SHARE

PASSWORD = "demo"  # noqa: S105 - reason: it is meant to be known; production refuses to start with it
PEOPLE = ("alice", "bob")
OPERATOR = "admin"


def make_demo_accounts() -> bool:
    """Make them where nobody has an account yet; they may share threads. Says whether it did."""
    users = get_user_model()
    if users.objects.exists():
        return False
    app, _, codename = SHARE.partition(".")
    share = Permission.objects.get(content_type__app_label=app, codename=codename)
    for name in PEOPLE:
        users.objects.create_user(name, password=PASSWORD).user_permissions.add(share)
    users.objects.create_superuser(OPERATOR, password=PASSWORD)
    return True


def open_demo_accounts() -> list[str]:
    """The demo accounts that can still sign in with the password everybody knows."""
    found = get_user_model().objects.filter(username__in=(*PEOPLE, OPERATOR), is_active=True)
    return sorted(user.get_username() for user in found if user.check_password(PASSWORD))
