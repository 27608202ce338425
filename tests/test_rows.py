"""Rows that are kept together, and who sees them before."""

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from chatrouting.database import in_database
from chatrouting.rows import Rows, insert
from tests.writing import add, named, only_together, see, together


def made(*names):
    rows = Rows()
    for name in names:
        rows.add(Group(name=name))
    return rows


def test_rows_of_a_kind_take_one_statement():
    names = [named() for _ in range(3)]

    with CaptureQueriesContext(connection) as asked:
        made(*names).insert()

    assert len([each for each in asked if each["sql"].startswith("INSERT")]) == 1
    assert see(names)(None) == set(names)


def test_rows_are_kept_once():
    rows = made(named())
    rows.insert()

    rows.insert()


@only_together
async def test_rows_of_work_that_fails_are_not_kept():
    failing, kept = named(), named()

    await together((add(failing, LookupError()), "a"), (add(kept), "b"))

    assert await in_database(see([failing, kept]), None) == {kept}


@only_together
@pytest.mark.parametrize(("touches", "sees"), [("b", False), ("a", True), ("ab", True), ("", True)])
async def test_who_touches_the_same_or_does_not_say_what_sees_the_rows_before(touches, sees):
    name = named()

    _, seen = await together((add(name), "a"), (see([name]), touches))

    assert seen == ({name} if sees else set())


@only_together
async def test_what_was_touched_before_the_rows_were_inserted_is_touched_no_more():
    names = [named(), named()]

    *_, seen = await together(
        (add(names[0]), "a"), see([]), (add(names[1]), "b"), (see(names), "a")
    )

    assert seen == {names[0]}


@only_together
async def test_work_that_does_not_say_what_it_touches_is_given_no_rows():
    assert await together(lambda rows: rows is None, (lambda rows: rows is None, "a")) == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("spoiled", "error"), [("", "IntegrityError"), ("\ud800", "UnicodeEncodeError")]
)
async def test_a_row_that_is_refused_takes_nothing_of_the_others_with_it(spoiled, error):
    """They are done again, each alone: who is given no rows keeps its own."""
    name, other = named(), named()

    def keep(name):
        def work(rows):
            with transaction.atomic():
                (rows.add if rows else insert)(Group(name=name))

        return work

    found = await together((keep(name), "a"), (keep(name + spoiled), "b"), (keep(other), "c"))

    *both, third = [type(each).__name__ for each in found]
    assert (set(both), third) == ({error, "NoneType"}, "NoneType")
    assert await in_database(see([name, other]), None) == {name, other}


def test_who_listens_for_saves_hears_of_each_row():
    heard, rows, names = [], Rows(), [named(), named()]
    for name in names:
        rows.add(Group(name=name))

    def hear(instance, created, **more):
        heard.append((instance.name, created))

    post_save.connect(hear, Group)
    try:
        rows.insert()
    finally:
        post_save.disconnect(hear, Group)

    assert heard == [(name, True) for name in names]
    assert see(names)(None) == set(names)
