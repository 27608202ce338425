"""Threads of one process that write to SQLite take turns: no wait longer than the one before them needs."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, transaction

from chatrouting.testing.people import make_person

pytestmark = pytest.mark.skipif("connection.vendor != 'sqlite'")


def rename(person, name):
    get_user_model().objects.filter(pk=person.user_id).update(first_name=name)


@contextmanager
def in_another_thread(work):
    """The work goes on in a thread of its own, whose connection is closed at its end."""

    def closing():
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(closing)


@contextmanager
def holding():
    """Another thread is in a transaction, until the block ends."""
    begun, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            begun.set()
            assert over.wait(10)

    with in_another_thread(hold) as held:
        assert begun.wait(5)
        try:
            yield over
        finally:
            over.set()
            held.result()


@pytest.mark.parametrize("surroundings", [nullcontext, transaction.atomic])
def test_a_writer_asks_sqlite_when_those_before_it_are_done(services, surroundings):
    """It does not wait in SQLite, which would have it sleep: one statement, or a transaction."""
    person, asked, came = make_person(), [], threading.Event()

    def seen(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    def write():
        with connection.execute_wrapper(seen):
            came.set()
            with surroundings():
                rename(person, "late")

    with holding() as over, in_another_thread(write) as writing:
        assert came.wait(5)
        assert not wait([writing], timeout=0.1).done
        assert asked == []
        over.set()
        writing.result(5)


def test_the_wait_for_others_counts_towards_that_for_sqlite(services):
    """Whoever waits for both has waited as long as the settings say, not twice that."""
    person = make_person()

    def left():
        rename(person, "late")
        with connection.cursor() as cursor:
            return cursor.execute("PRAGMA busy_timeout").fetchone()[0]

    with holding() as over, in_another_thread(left) as writing:
        wait([writing], timeout=0.5)
        over.set()
        assert writing.result(5) < 1000 * connection.settings_dict["OPTIONS"]["timeout"] - 100


def test_a_writer_that_waits_too_long_is_told_so(services, monkeypatch):
    person = make_person()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    connection.close()

    with holding(), pytest.raises(OperationalError, match="database is locked"):
        rename(person, "never")


@pytest.mark.parametrize("ends", ["commit", "rollback", "close"])
def test_the_turn_is_passed_on_however_a_transaction_ends(services, ends):
    person = make_person()

    def end():
        with transaction.atomic():
            rename(person, ends)
            if ends == "close":
                connection.close()
            if ends != "commit":
                raise ZeroDivisionError

    with in_another_thread(end) as ended:
        assert isinstance(ended.exception(), ZeroDivisionError | None)
    with in_another_thread(lambda: rename(person, "next")) as following:
        following.result(5)


def test_readers_wait_for_nobody(services):
    person = make_person()

    with holding():
        assert get_user_model().objects.filter(pk=person.user_id).exists()
