"""`manage.py disconnect`: close sockets, by person or one by one."""

import uuid

from django.core.management.base import CommandError, CommandParser

from chatrouting.console.disconnecting import NOT_YET, disconnect
from chatrouting.console.living import connections_alive
from chatrouting.console.operating import OperatorCommand, person_named


class Command(OperatorCommand):
    help = "Close open sockets with code 4004; their pages do not come back by themselves."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", help="all sockets of the person with this name")
        which.add_argument("--connection", type=uuid.UUID, help="the socket with this id")

    def handle(
        self, *args: object, user: str | None, connection: uuid.UUID | None, **options: object
    ) -> None:
        found = connections_alive()
        named = {"pk": connection} if user is None else {"user": person_named(user)}
        found = found.filter(**named)
        done = disconnect(found, "manage.py disconnect")
        if not done.closed and not done.open:
            raise CommandError("Nobody is connected under this name or id.")
        self.stdout.write(f"{done.closed} disconnected")
        if done.open:
            raise CommandError(f"{done.open} {NOT_YET}")
