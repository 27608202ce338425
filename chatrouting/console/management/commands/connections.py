"""`manage.py connections`: who is connected now."""

import json
from typing import Any

from django.core.management.base import CommandParser

from chatrouting.connections.models import Connection
from chatrouting.console.browsers import browser_name
from chatrouting.console.living import connections_alive
from chatrouting.console.operating import OperatorCommand, person_named
from routing_core.envelope import timestamp

COLUMNS = ("connection_id", "user", "address", "browser", "process", "opened_at", "position")


class Command(OperatorCommand):
    help = "List the open sockets of all web processes that are alive."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="only those of the person with this name")
        parser.add_argument("--json", action="store_true", help="one JSON array")

    def handle(self, *args: object, user: str | None, **options: Any) -> None:
        found = connections_alive().select_related("user", "process").order_by("-opened_at")
        if user is not None:
            found = found.filter(user=person_named(user))
        rows = [_row(connection) for connection in found]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write("  ".join(str(row[column]) for column in COLUMNS))
        self.stdout.write(f"{len(rows)} connected")


def _row(connection: Connection) -> dict[str, Any]:
    return {
        "connection_id": str(connection.pk),
        "user_id": str(connection.user_id),
        "user": connection.user.get_username(),
        "address": connection.address,
        "browser": browser_name(connection.user_agent),
        "process": str(connection.process),
        "opened_at": timestamp(connection.opened_at),
        "seen_at": timestamp(connection.seen_at),
        "position": connection.position,
    }
