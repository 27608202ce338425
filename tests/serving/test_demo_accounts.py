"""The accounts of a trial installation, new and made by an earlier version."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from chatrouting.serving.demo_accounts import PASSWORD, PEOPLE, make_demo_accounts
from chatrouting.threads.membership import SHARE


@pytest.fixture(autouse=True)
def nothing_is_kept(services):
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def who_may_share():
    users = get_user_model().objects.filter(username__in=PEOPLE)
    return sorted(user.username for user in users if user.has_perm(SHARE))


def made(name, password=PASSWORD):
    return get_user_model().objects.create_user(name, password=password)


def test_in_a_new_installation_they_may_share_threads():
    # It is rolled back: what refers to them stays, and need not be looked for.
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {get_user_model()._meta.db_table}")  # noqa: S608 - reason: a name of Django's

    make_demo_accounts()

    assert who_may_share() == ["alice", "bob"]


def test_those_of_an_earlier_version_are_given_the_permission():
    """However often it starts: once."""
    people = [made(name) for name in PEOPLE]

    for _ in range(2):
        make_demo_accounts()

    assert who_may_share() == ["alice", "bob"]
    assert [person.user_permissions.count() for person in people] == [1, 1]


def test_an_account_that_is_somebodys_own_by_now_is_given_nothing():
    made("alice", "a password of her own")
    made("bob")

    make_demo_accounts()

    assert who_may_share() == ["bob"]


def test_nobody_else_is_given_anything():
    other = made("carol")

    make_demo_accounts()

    assert not get_user_model().objects.get(pk=other.pk).has_perm(SHARE)
    assert Permission.objects.filter(user=other).count() == 0
