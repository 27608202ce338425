"""Work that changes the database, each piece in a transaction; with one writer at a time, in a shared one.

SQLite lets one write at a time. Twenty that come together would each wait for their turn among themselves and
with the writers of other processes, which costs more than what they write: they are half as long under way,
and take half of the processor's time, if those that come while others are at work go together. What they
insert is inserted together, too: of ten rows a row takes half, or a third, of what one alone does.
"""

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from chatrouting.batches import Batches
from chatrouting.database import in_database
from chatrouting.rows import REFUSALS, Rows

T = TypeVar("T")

# In one transaction: what other processes write must not wait behind all that comes.
TOGETHER = 20


def update_in_order(rows: QuerySet[Model], **values: object) -> int:
    """Update rows of which others may change several too; returns how many they were.

    They are locked by id first: two that meet wait for each other in one order, not in a circle. Where one
    writes at a time there is nothing to lock.
    """
    if not connection.features.has_select_for_update:
        return rows.update(**values)
    with transaction.atomic():
        list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        return rows.update(**values)


class Writes:
    """Does pieces of work in the database's threads. It belongs to one event loop."""

    def __init__(self) -> None:
        self._batches: Batches[_Piece, None] = Batches(_do_all, TOGETHER)

    async def do(
        self, work: Callable[[Rows | None], T], touches: frozenset[str] = frozenset()
    ) -> T:
        """Do the work, return what it returns, raise what it raises.

        It has to make its own transaction, which is a savepoint where it shares one: an error leaves nothing
        of it, and everything of the others. Where the shared one cannot be committed the work is done again,
        so it may change nothing but the database. Raises what `in_database` raises as well.

        `touches` names all that it looks at while it is done. Where some is named, and the transaction is
        shared, it is given `Rows` to add new ones to, which nobody sees who touches nothing of the same.
        """
        if connection.features.has_select_for_update:  # rows are locked: others do not wait
            return await in_database(work, None)
        piece = _Piece(work, touches)
        await self._batches.call(piece)
        if piece.error is not None:
            raise piece.error
        done: T = piece.value
        return done


@dataclass(eq=False, slots=True)
class _Piece:
    """Work, what was bound where it was asked for, and what came of it."""

    work: Callable[[Rows | None], Any]
    touches: frozenset[str]
    bound: Context = field(default_factory=copy_context)
    value: Any = None
    error: Exception | None = None

    def do(self, rows: Rows | None = None) -> None:
        """Its own rows are among these once it has come off; None: it keeps them itself."""
        self.error = None
        own = Rows()
        try:
            self.value = self.bound.copy().run(self.work, None if rows is None else own)
        except Exception as error:  # noqa: BLE001 - reason: not handled but passed on, to who asked for it
            self.error = error
        else:
            if rows is not None:
                rows.take(own)


def _do_all(pieces: Sequence[_Piece]) -> None:
    """Together; or each alone, where one of them left what is refused in the end: that is told to it only.

    It is not said whose row it was: SQLite looks at foreign keys no earlier than at the commit.
    Raises where one has failed in a way that takes the transaction with it: then nothing is kept of any.
    """
    try:
        _do_together(pieces)
    except REFUSALS:
        for piece in pieces:
            piece.do()


def _do_together(pieces: Sequence[_Piece]) -> None:
    rows, touched = Rows(), set[str]()
    with transaction.atomic():
        for piece in pieces:
            if not piece.touches or touched & piece.touches:
                rows.insert()
                touched.clear()
            piece.do(rows if piece.touches else None)
            touched |= piece.touches
        rows.insert()
        if transaction.get_rollback():
            raise transaction.TransactionManagementError("A write took its transaction with it.")
