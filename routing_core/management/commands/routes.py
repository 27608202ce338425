"""`manage.py routes`: the whole table, type by type."""

from django.core.management.base import BaseCommand

from routing_core.live import live_router


class Command(BaseCommand):
    help = "List every message type a client may send, and the handler that serves it."

    def handle(self, *args: object, **options: object) -> None:
        rows = [
            (name, str(route.priority), route.message.__name__, route.name)
            for name, routes in sorted(live_router().current().types.items())
            for route in routes
        ]
        rows.insert(0, ("type", "priority", "message", "handler"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            self.stdout.write("  ".join((*padded, row[3])))
