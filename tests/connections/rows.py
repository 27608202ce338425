"""Sockets without a wire: what the list of a process needs to know of one."""

import uuid

from django.utils import timezone

from chatrouting.connections.models import Connection
from chatrouting.connections.registry import Seen
from chatrouting.testing.people import make_person
from routing_core.closing import CloseCode


def a_row(process_id: uuid.UUID | None = None) -> Connection:
    """The row of a socket of somebody new, not written yet."""
    now = timezone.now()
    return Connection(
        id=uuid.uuid4(),
        user_id=int(make_person().user_id),
        process_id=process_id,
        session_digest="d",
        opened_at=now,
        seen_at=now,
    )


class Socket:
    """An open socket, as `LiveConnections` knows it."""

    def __init__(self, row: Connection) -> None:
        self.row = row
        self.position = 0
        self.close_code = 1006
        self.told: list[CloseCode] = []

    @property
    def seen(self) -> Seen:
        return Seen(self.row.seen_at, self.position)

    def end(self, code: CloseCode) -> None:
        self.told.append(code)
        self.close_code = code
