"""`manage.py routes`: the whole table, type by type, or the reference that its classes make."""

import json
from typing import Any

from django.core.management.base import CommandParser

from routing_core.live import live_router
from routing_core.management.piped import PipedCommand
from routing_core.reference import described, markdown
from routing_core.router import Router


class Command(PipedCommand):
    requires_system_checks = ("routing",)  # Django 6.1's of the models open the database
    help = "List every message type a client may send, and the handler that serves it."

    def add_arguments(self, parser: CommandParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="the table and the protocol, as JSON")
        form.add_argument("--markdown", action="store_true", help="the protocol's reference page")

    def handle(self, *args: object, **options: Any) -> None:
        router = live_router().current()
        if options["markdown"]:
            self.stdout.write(markdown(router))
        elif options["json"]:
            found = {"routes": _rows(router), **described(router)}
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            self._show(router)

    def _show(self, router: Router[Any]) -> None:
        rows = [("type", "priority", "message", "handler")]
        rows += [
            (row["type"], str(row["priority"]), row["message"], row["handler"])
            for row in _rows(router)
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            self.stdout.write("  ".join((*padded, row[3])))


def _rows(router: Router[Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": name,
            "priority": route.priority,
            "conditional": route.condition is not None,
            "switched_off": route.message.type in router.switched_off,
            "message": route.message.__name__,
            "handler": route.name,
        }
        for name, routes in sorted(router.types.items())
        for route in routes
    ]
