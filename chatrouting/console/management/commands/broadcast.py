"""`manage.py broadcast`: tell many users something, and see how far it has come."""

import asyncio
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from msgspec import UNSET
from redis.exceptions import RedisError

from chatrouting.chat.broadcasting import tell
from chatrouting.chat.broadcasts import keep
from chatrouting.chat.messages import Audience, SendBroadcast
from chatrouting.chat.models import Broadcast
from chatrouting.console.operating import OperatorCommand, person_named
from chatrouting.stream.availability import demand_valkey
from routing_core.errors import RoutingError
from routing_core.messages import checked


class Command(OperatorCommand):
    help = (
        "Tell users something: those who are connected see it now, the others when they come back. "
        "One that is interrupted goes on by itself where a worker runs, and with --resume."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("content", nargs="?", help="what they are told")
        levels = Broadcast.Level.values
        parser.add_argument("--level", choices=levels, default="info", help="default: info")
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--all", action="store_true", help="everybody")
        who.add_argument("--user", action="append", help="the person with this name; repeatable")
        who.add_argument("--except", action="append", dest="exclude", help="all but; repeatable")
        who.add_argument("--permission", help="who has it, as app.codename")
        who.add_argument("--resume", type=UUID, help="go on with the broadcast of this id")

    def handle(self, *args: object, content: str | None, **options: Any) -> None:
        demand_valkey()
        resumed: UUID | None = options["resume"]
        if (content is None) != (resumed is not None):
            raise CommandError("Give the text, or --resume with the id of a broadcast.")
        broadcast_id = resumed or self._keep(content or "", options)
        try:
            told = asyncio.run(tell(broadcast_id, self._progress))
        except RedisError as error:
            raise CommandError(
                f"Valkey does not answer ({error}); go on with --resume {broadcast_id}"
            ) from None
        if not told:
            self.stdout.write("It is told by a worker, or was told already.")

    def _keep(self, content: str, options: dict[str, Any]) -> UUID:
        try:
            message = checked(
                SendBroadcast(content=content, level=options["level"], audience=_audience(options))
            )
            with transaction.atomic():
                kept = keep(None, message)
        except RoutingError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"broadcast {kept.pk} to {kept.total} users")
        return kept.pk

    def _progress(self, told: Broadcast) -> None:
        self.stdout.write(f"{told.reached} of {told.total}")
        self.stdout.flush()


def _audience(options: dict[str, Any]) -> Audience:
    return Audience(
        all=options["all"] or UNSET,
        users=_ids(options["user"]),
        exclude=_ids(options["exclude"]),
        permission=options["permission"] or UNSET,
    )


def _ids(names: list[str] | None) -> Any:
    """The ids of the people with these names. Raises `CommandError` for a name that nobody has."""
    return UNSET if names is None else [str(person_named(name).pk) for name in dict.fromkeys(names)]
