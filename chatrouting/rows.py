"""New rows of the database: kept at once, or with those of others. Of ten a row costs half, or a third."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from django.db import DataError, IntegrityError
from django.db.models import Model
from django.db.models.signals import post_save, pre_save

Keep: TypeAlias = Callable[[Model], None]

# What is raised because of a row: any other error is not about what is written.
REFUSALS = (IntegrityError, DataError, ValueError)


def insert(row: Model) -> None:
    """Keep a new row at once."""
    row.save(force_insert=True)


class Rows:
    """New rows that are kept a little later than they are made: together, whoever made them."""

    def __init__(self) -> None:
        self._rows: list[Model] = []

    def add(self, row: Model) -> None:
        """Have the row kept. Its key must be known, where another row names it."""
        self._rows.append(row)

    def take(self, others: "Rows") -> None:
        """Have these kept as well."""
        self._rows += others._rows

    def drop(self) -> None:
        """Keep none of them."""
        self._rows.clear()

    def insert(self) -> None:
        """Keep them now. Raises what the database raises; the transaction is to be undone then."""
        kinds: dict[type[Model], list[Model]] = {}
        for row in self._rows:
            kinds.setdefault(type(row), []).append(row)
        self._rows.clear()
        for kind, rows in kinds.items():
            _insert_all(kind, rows)


def _insert_all(kind: type[Model], rows: Sequence[Model]) -> None:
    """Together, unless somebody listens for each."""
    if pre_save.has_listeners(kind) or post_save.has_listeners(kind):
        for row in rows:
            insert(row)
    else:
        kind._default_manager.bulk_create(rows)
