"""`manage.py streams`: what is kept for whom, and how far behind their sockets are."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from chatrouting.console.streams import standings

LONGEST = 50


class Command(BaseCommand):
    help = "List the streams that hold events, the longest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="only that of the person with this name, also if empty")
        parser.add_argument("--limit", type=int, default=LONGEST, help=f"so many ({LONGEST})")
        parser.add_argument("--json", action="store_true", help="one JSON array")

    def handle(self, *args: object, user: str | None, limit: int, **options: Any) -> None:
        rows = self._rows(user, limit)
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            place = "away" if row["behind"] is None else f"{row['behind']} behind"
            kept = f"{row['events']} events up to {row['seq']}"
            self.stdout.write(f"{row['user']}  {kept}  {row['sockets']} sockets  {place}")
        self.stdout.write(f"{len(rows)} streams")

    def _rows(self, user: str | None, limit: int) -> list[dict[str, Any]]:
        known = get_user_model().objects.filter(**({} if user is None else {"username": user}))
        names = {str(pk): name for pk, name in known.values_list("pk", "username")}
        if user is not None and not names:
            raise CommandError(f"There is nobody named {user!r}.")
        try:
            found = standings(list(names))
        except RedisError as error:
            raise CommandError(f"Valkey does not answer: {error}") from None
        shown = [each for each in found if each.events or user is not None]
        longest = sorted(shown, key=lambda each: each.events, reverse=True)[: max(limit, 0)]
        return [{"user": names[each.user_id], **each.as_row()} for each in longest]
