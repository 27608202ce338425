"""Accounts that one statement deletes, while others work where they are: nobody waits in a circle."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.signals import pre_delete

from chatrouting.agents import claims, runs
from chatrouting.agents.statuses import Outcome
from chatrouting.testing.system import wait_until
from chatrouting.threads.models import ThreadMember
from tests.agents.accepted import a_person, a_thread, ask, claimed, now_of
from tests.agents.at_once import stands_at_a_lock


def accounts(*people):
    return get_user_model().objects.filter(pk__in=[person.id for person in people])


def delete(*people):
    return accounts(*people).delete()


def a_thread_with(*people):
    thread = a_thread()
    for person in people:
        ThreadMember.objects.create(thread=thread, user_id=person.id)
    return thread


@contextmanager
def meanwhile(person, act):
    """As soon as this person's departure has its locks another begins to act, and waits for one of them."""
    acting = []

    def in_a_thread():
        try:
            act()
        finally:
            connection.close()

    def departs(instance, **_):
        if str(instance.pk) == person.id:
            acting.append(pool.submit(in_a_thread))
            wait_until(stands_at_a_lock, "the other to wait for a row")

    with ThreadPoolExecutor(1) as pool:
        pre_delete.connect(departs, get_user_model())
        try:
            yield
        finally:
            pre_delete.disconnect(departs, get_user_model())
        acting[0].result(20)


def test_two_deletions_of_accounts_that_share_threads():
    first, second, third, fourth = people = [a_person() for _ in range(4)]
    a_thread_with(first, fourth)
    a_thread_with(second, third)

    with meanwhile(first, partial(delete, third, fourth)):
        delete(first, second)

    assert not accounts(*people).exists()


def test_an_end_that_lets_begin_what_waits_behind_two_of_the_accounts():
    first, second, waiting = a_person(), a_person(), a_person()
    ask(thread := a_thread(), by=first)
    ask(thread, by=waiting)
    other = a_thread_with(second)
    ending = ask(other)
    behind = ask(other, by=waiting)

    with meanwhile(first, partial(runs.end, ending, runs.Ending(Outcome.SUCCESS))):
        delete(first, second)

    assert now_of(behind).status == "running"


def test_a_worker_that_renews_its_leases_of_their_runs():
    first, mine = a_run_at_work()
    second, other = a_run_at_work()
    while other.pk > mine.pk:  # leases are renewed by the ids of the runs, accounts go by their own
        second, other = a_run_at_work()

    with meanwhile(first, partial(claims.renew_leases, "worker", [mine.pk, other.pk])):
        delete(first, second)

    assert not accounts(first, second).exists()


def a_run_at_work():
    person = a_person()
    return person, claimed(ask(a_thread(person)), "worker")
