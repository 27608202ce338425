"""Writes that come together: each has its own result, and nobody waits for another in a circle."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from chatrouting.testing.system import wait_until
from chatrouting.writes import TOGETHER, Writes, update_in_order
from tests.agents.at_once import stands_at_a_lock
from tests.writing import (
    ONE_WRITER,
    exist,
    make,
    make_of_nobody,
    named,
    only_together,
    together,
)

bound = ContextVar("bound", default="nothing")


def users(names):
    return get_user_model().objects.filter(username__in=names)


@pytest.mark.skipif(ONE_WRITER, reason="one writes at a time")
def test_rows_are_locked_by_id_whatever_their_order_on_disk():
    """Who holds the first row can still take the second while another updates both."""
    names = [named(), named()]
    first, second = (users([make(name)(None)]).get() for name in names)
    users([names[0]]).update(last_name="rewritten")  # from now on it stands behind the second

    def update_both():
        try:
            return update_in_order(users(names), first_name="later")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        users([names[0]]).select_for_update().get()
        updating = pool.submit(update_both)
        wait_until(stands_at_a_lock, "the other to wait for the first")
        users([names[1]]).select_for_update(nowait=True).get()
    assert first.pk < second.pk
    assert updating.result(20) == 2


async def test_each_gets_what_its_own_work_returns():
    names = [named() for _ in range(3)]

    found = await together(*map(make, names))

    assert found == names
    assert await exist(*names) == set(names)


async def test_an_error_is_its_own_and_leaves_nothing():
    before, failing, after = named(), named(), named()
    error = LookupError("mine")

    found = await together(make(before), make(failing, error), make(after))

    assert found == [before, error, after]
    assert await exist(before, failing, after) == {before, after}


async def test_what_the_database_refuses_takes_nothing_of_the_others_with_it():
    name, other = named(), named()

    *same, third = await together(make(name), make(name), make(other))

    assert third == other
    assert {type(each).__name__ for each in same} == {"str", "IntegrityError"}
    assert await exist(name, other) == {name, other}


async def test_what_the_commit_refuses_takes_nothing_of_the_others_with_it():
    before, after = named(), named()

    one, refused, other = await together(make(before), make_of_nobody(), make(after))

    assert (one, type(refused), other) == (before, IntegrityError, after)
    assert await exist(before, after) == {before, after}


async def test_what_failed_because_of_work_that_is_not_kept_is_done():
    name = named()

    refused, made = await together(make_of_nobody(name), make(name))

    assert (type(refused), made) == (IntegrityError, name)
    assert await exist(name) == {name}


async def test_work_that_is_done_again_finds_what_was_bound_as_it_was():
    def bind(rows):
        before = bound.get()
        bound.set("by the work")
        return before

    _, found = await together(make_of_nobody(), bind)

    assert found == "nothing"


@only_together
async def test_what_breaks_the_transaction_is_told_to_all_and_nothing_is_kept():
    names = [named(), named()]

    def broken(rows):
        make(names[1])(rows)
        transaction.set_rollback(True)

    found = await together(make(names[0]), broken)

    assert {type(each) for each in found} == {TransactionManagementError}
    assert await exist(*names) == set()


@only_together
async def test_no_more_than_so_many_share_a_transaction():
    """The right to write is let go of in between."""
    marks = []

    def marked(rows):
        transaction.on_commit(lambda: marks.append(len(marks)))
        return len(marks)  # how many transactions' worth was committed before

    assert await together(*([marked] * (TOGETHER + 1))) == [0] * TOGETHER + [TOGETHER]


async def test_each_has_what_was_bound_where_it_was_asked_for():
    """Row 86: no line of the log names another's message."""
    writes = Writes()

    async def ask(word):
        bound.set(word)
        return await writes.do(lambda rows: bound.get())

    words = [named() for _ in range(5)]
    assert await asyncio.gather(*map(ask, words)) == words


async def test_who_gives_up_keeps_nobody_back():
    writes, goes_on = Writes(), threading.Event()
    first = asyncio.create_task(writes.do(lambda rows: goes_on.wait(5)))
    await asyncio.sleep(0)
    impatient = asyncio.create_task(writes.do(lambda rows: None))
    patient = asyncio.create_task(writes.do(lambda rows: "done"))
    await asyncio.sleep(0)
    impatient.cancel()
    goes_on.set()

    assert await patient == "done"
    assert await first
