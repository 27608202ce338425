"""Connections in the database, for the operator: rows live as long as their sockets and their process."""

import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from chatrouting.conf import chat_settings
from chatrouting.connections.models import Connection, Process

BATCH = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """When a socket last sent something, and the seq it was last sent."""

    at: datetime
    position: int


def begin_process() -> UUID:
    """Register this process; sweep up what dead ones left."""
    sweep_dead()
    return _this_process(uuid.uuid4()).pk


def restore_process(process_id: UUID, connections: Sequence[Connection]) -> None:
    """Write this process and its sockets again, after others took it for dead."""
    with transaction.atomic():
        _this_process(process_id)
        Connection.objects.bulk_create(connections, BATCH, ignore_conflicts=True)


def _this_process(process_id: UUID) -> Process:
    now = timezone.now()
    return Process.objects.create(
        id=process_id, host=platform.node(), pid=os.getpid(), started_at=now, seen_at=now
    )


def end_process(process_id: UUID) -> None:
    """Remove this process and whatever connections it still has."""
    Process.objects.filter(pk=process_id).delete()


def open_connection(opened: Connection) -> list[str]:
    """Write the row of a socket that was just opened.

    Returns the ids of the user's oldest sockets that are over the limit, in whatever process they are.
    """
    opened.save(force_insert=True)
    mine = Connection.objects.filter(user_id=opened.user_id, process__seen_at__gte=alive_since())
    newest = mine.order_by("-opened_at", "-id").values_list("id", flat=True)
    return [str(over) for over in newest[chat_settings().connections_per_user :]]


def close_connection(connection_id: UUID) -> None:
    """Remove the row of a socket that ended."""
    Connection.objects.filter(pk=connection_id).delete()


def keep_alive(process_id: UUID, seen: Mapping[UUID, Seen]) -> bool:
    """Say that the process lives and what its sockets did. False where others took it for dead."""
    alive = Process.objects.filter(pk=process_id).update(seen_at=timezone.now())
    if seen:
        _tell(seen)
    return bool(alive)


def _tell(seen: Mapping[UUID, Seen]) -> None:
    """One prepared statement for all: `bulk_update` would build a CASE of them, at ten times the cost."""
    names = ("seen_at", "position", "id")
    known = {field.name: field for field in Connection._meta.concrete_fields}
    fields = [known[name] for name in names]
    quote = connection.ops.quote_name
    table, (at, position, key) = quote(Connection._meta.db_table), map(quote, names)
    update = f"UPDATE {table} SET {at} = %s, {position} = %s WHERE {key} = %s"  # noqa: S608 - reason: names of ours alone
    rows = [
        [
            field.get_db_prep_save(value, connection)
            for field, value in zip(fields, row, strict=True)
        ]
        for row in ((each.at, each.position, connection_id) for connection_id, each in seen.items())
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(update, rows)


def sweep_dead() -> int:
    """Remove processes that said nothing for too long, with their connections."""
    with transaction.atomic():
        dead = Process.objects.filter(seen_at__lt=alive_since())
        _, removed = dead.delete()
    return removed.get(Connection._meta.label, 0)


def alive_since() -> datetime:
    """A process that was seen at this moment or later is alive."""
    return timezone.now() - timedelta(seconds=chat_settings().process_dead_seconds)
