"""Sockets without a wire: what the list of a process needs to know of one."""

import uuid
from datetime import datetime

from django.utils import timezone

from chatrouting.connections.models import Connection
from chatrouting.connections.registry import Opened, Seen, open_connections
from chatrouting.connections.sessions import Look, SignedIn
from chatrouting.testing.people import Person, make_person
from routing_core.closing import CloseCode


def a_row(process_id: uuid.UUID | None = None) -> Connection:
    """The row of a socket of somebody new, not written yet."""
    return row_of(make_person(), process_id)


def row_of(person: Person, process_id: uuid.UUID | None = None) -> Connection:
    """The row of a socket of this person, not written yet."""
    now = timezone.now()
    return Connection(
        id=uuid.uuid4(),
        user_id=int(person.user_id),
        process_id=process_id,
        session_digest="d",
        opened_at=now,
        seen_at=now,
    )


def open_row(row: Connection) -> Opened:
    """Write this row: what opening its socket came to."""
    return open_connections([row])[row]


class Socket:
    """An open socket, as `LiveConnections` knows it."""

    def __init__(self, row: Connection) -> None:
        self.row = row
        self.position = 0
        self.close_code = 1006
        self.told: list[CloseCode] = []
        self.expires_at: datetime | None = None
        self.look: Look = ({}, str(row.user_id))

    @property
    def seen(self) -> Seen:
        return Seen(self.row.seen_at, self.position)

    def stand(self, standing: SignedIn | CloseCode) -> None:
        if isinstance(standing, SignedIn):
            self.expires_at = standing.expires_at
        else:
            self.end(standing)

    def end(self, code: CloseCode) -> None:
        self.told.append(code)
        self.close_code = code
