"""Connections in the database, for the operator: rows live as long as their sockets and their process."""

import os
import platform
import uuid
from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from chatrouting.chat import presence
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
        _this_process(process_id)  # also where somebody has just written it again
        Connection.objects.bulk_create(connections, BATCH, ignore_conflicts=True)


def _this_process(process_id: UUID) -> Process:
    now = timezone.now()
    known = {"host": platform.node(), "pid": os.getpid(), "started_at": now, "seen_at": now}
    process, _ = Process.objects.update_or_create(id=process_id, defaults=known)
    return process


def end_process(process_id: UUID) -> None:
    """Remove this process and whatever connections it still has."""
    with transaction.atomic():
        _remove(Process.objects.filter(pk=process_id))


def _remove(processes: QuerySet[Process]) -> int:
    """Remove these with their connections; how many those were."""
    theirs = Connection.objects.filter(process__in=processes).values_list("user_id", flat=True)
    user_ids = set(theirs)
    presence.hold(user_ids)
    _, removed = processes.delete()
    _note_left(user_ids)
    return removed.get(Connection._meta.label, 0)


def _note_left(user_ids: Collection[int]) -> None:
    """A socket of each of these is gone; perhaps it was their last."""
    if user_ids:
        still_here = set(connected_users().filter(user_id__in=user_ids))
        presence.left(list(set(user_ids) - still_here))


def connected_users() -> QuerySet[Connection, Any]:
    """The ids of all who have sockets."""
    return Connection.objects.values_list("user_id", flat=True)


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening a socket came to.

    `over`: the ids of the user's oldest sockets that are over the limit, in whatever process they are;
    `first`: whether the user came online with it.
    """

    over: tuple[str, ...]
    first: bool


def open_connections(opened: Sequence[Connection]) -> dict[Connection, Opened]:
    """Write the rows of sockets that were just opened, where they are not written yet; what each came to.

    Of several of one user the first is told of what comes of them together. Raises `IntegrityError` where
    others took their process for dead, or one of their users is gone.
    """
    users = {str(each.user_id): each for each in reversed(opened)}
    with transaction.atomic():
        Connection.objects.bulk_create(opened, ignore_conflicts=True)
        online = presence.came(users)
    found = dict.fromkeys(opened, Opened((), first=False))
    over = _over_the_limit(users)
    for user_id, first in users.items():
        found[first] = Opened(over.get(user_id, ()), first=user_id in online)
    return found


def _over_the_limit(user_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Of each of these users who has too many sockets the oldest ones."""
    theirs = Connection.objects.filter(user_id__in=user_ids, process__seen_at__gte=alive_since())
    newest_first = theirs.order_by("-opened_at", "-id").values_list("user_id", "id")
    keys: defaultdict[str, list[str]] = defaultdict(list)
    for user_id, key in newest_first:
        keys[str(user_id)].append(str(key))
    limit = chat_settings().connections_per_user
    return {user_id: tuple(those[limit:]) for user_id, those in keys.items()}


def close_connections(closed: Collection[UUID]) -> None:
    """Remove the rows of sockets that ended, as many as one statement takes: see `BATCH`."""
    with transaction.atomic():
        theirs = Connection.objects.filter(pk__in=closed)
        user_ids = set(theirs.values_list("user_id", flat=True))
        presence.hold(user_ids)
        theirs.delete()
        _note_left(user_ids)


def close_all_but(process_id: UUID, opened: Container[UUID]) -> int:
    """Remove the rows of this process whose sockets are not open; how many those were.

    A socket counts as open from before its row is written until before it is removed.
    """
    written = Connection.objects.filter(process_id=process_id).values_list("pk", flat=True)
    left = [key for key in written if key not in opened]
    for start in range(0, len(left), BATCH):
        close_connections(left[start : start + BATCH])
    return len(left)


def sweep_gone() -> list[str]:
    """The ids of users who have been without a socket for so long that they are offline now."""
    return presence.expire(connected_users())


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
        return _remove(Process.objects.filter(seen_at__lt=alive_since()))


def alive_since() -> datetime:
    """A process that was seen at this moment or later is alive."""
    return timezone.now() - timedelta(seconds=chat_settings().process_dead_seconds)
