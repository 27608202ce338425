"""`manage.py streams`: what is kept for whom, and how far behind their sockets are."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser

from chatrouting.accounts import name_field
from chatrouting.console.operating import OperatorCommand, demand_positive, person_named
from chatrouting.console.streams import StreamStanding, standings

LONGEST = 50


class Command(OperatorCommand):
    help = (
        "List the streams that hold events, the longest first, before them those that are damaged."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", help="only that of the person with this name, also if empty")
        parser.add_argument("--limit", type=int, default=LONGEST, help=f"so many ({LONGEST})")
        parser.add_argument("--json", action="store_true", help="one JSON array")

    def handle(self, *args: object, user: str | None, **options: Any) -> None:
        demand_positive(options, "limit")
        rows = _rows(user, options["limit"])
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write(_line(row))
        self.stdout.write(f"{len(rows)} streams")


def _rows(user: str | None, limit: int) -> list[dict[str, Any]]:
    users = get_user_model()._default_manager
    people = users.all() if user is None else users.filter(pk=person_named(user).pk)
    names = {str(pk): name for pk, name in people.values_list("pk", name_field())}
    found = standings(list(names))
    shown = [each for each in found if each.events or each.damaged or user is not None]
    return [
        {"user": names[each.user_id], **each.as_row()}
        for each in sorted(shown, key=_rank, reverse=True)[:limit]
    ]


def _rank(standing: StreamStanding) -> tuple[bool, int]:
    return standing.damaged, standing.events


def _line(row: dict[str, Any]) -> str:
    if row["damaged"]:
        return f"{row['user']}  damaged: nothing can be told to this user"
    place = "away" if row["behind"] is None else f"{row['behind']} behind"
    kept = f"{row['events']} events up to {row['seq']}"
    return f"{row['user']}  {kept}  {row['sockets']} sockets  {place}"
