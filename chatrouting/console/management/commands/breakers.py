"""`manage.py breakers`: how the breakers of the routes stand, and resetting them."""

import json

from django.core.management.base import CommandError, CommandParser

from chatrouting.connections.breakers import routes_guarded
from chatrouting.console.breakers import reset, standings
from chatrouting.console.operating import OperatorCommand


class Command(OperatorCommand):
    help = "List the breakers of all routes, or reset one: close it and forget its failures."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", choices=("list", "reset"), default="list")
        parser.add_argument("route", nargs="?", help="the type of message whose breaker to reset")
        parser.add_argument("--json", action="store_true", help="one JSON array")

    def handle(
        self, *args: object, action: str, route: str | None, json: bool, **options: object
    ) -> None:
        if action == "reset":
            self._reset(route)
        elif route is not None:
            raise CommandError(f"`list` shows every route; {route!r} is one too many.")
        else:
            self._list(as_json=json)

    def _reset(self, route: str | None) -> None:
        known = routes_guarded()
        if route not in known:
            raise CommandError(f"Name a route: one of {', '.join(known)}.")
        forgotten = reset(route, "manage.py breakers")
        self.stdout.write(f"{route} is reset" if forgotten else f"{route} had nothing to reset")

    def _list(self, *, as_json: bool) -> None:
        rows = standings()
        if as_json:
            self.stdout.write(json.dumps([row.as_row() for row in rows], indent=2))
            return
        for row in rows:
            shut = f"shut for {row.users_shut_out} people alone" if row.users_shut_out else ""
            wait = f"tried in {row.next_probe_seconds} s" if row.next_probe_seconds else ""
            told = (f"{row.route:<20}", f"{row.state:<10}", f"{row.failures} failures", shut, wait)
            self.stdout.write("  ".join(filter(None, told)))
