"""`manage.py run_web`: serve pages and sockets until told to stop."""

import os

from django.core.asgi import get_asgi_application
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from chatrouting.conf import chat_settings
from chatrouting.garbage import spare_what_is_loaded
from chatrouting.serving.address import Address, demand_no_demo_accounts
from chatrouting.serving.parent import end_with_parent
from chatrouting.stream.availability import demand_valkey

# Imported when chosen: each takes an event loop of its own kind with it.
SERVERS = {
    "daphne": "chatrouting.serving.daphne.DaphneServer",
    "uvicorn": "chatrouting.serving.uvicorn.UvicornServer",
}


class Command(BaseCommand):
    help = "Serve the site until SIGTERM or SIGINT, then drain its sockets and end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", help="address to listen on (default: HOST, else 127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on (default: PORT, else 8000)")
        parser.add_argument(
            "--server", choices=SERVERS, help="what serves (default: SERVER, else daphne)"
        )

    def handle(
        self,
        *args: object,
        host: str | None,
        port: int | None,
        server: str | None,
        **options: object,
    ) -> None:
        from django.conf import settings

        given = Address.from_environment()
        address = Address(host or given.host, port or given.port)
        server_class = import_string(_server(server or os.environ.get("SERVER") or "daphne"))
        demand_valkey()
        demand_no_demo_accounts(address)
        listener = address.listen()
        end_with_parent(chat_settings().drain_seconds)
        get_asgi_application()
        application = import_string(settings.ASGI_APPLICATION)
        spare_what_is_loaded()
        self.stdout.write(f"serving {address.url}")
        server_class(application, listener).run()


def _server(name: str) -> str:
    """The class that serves. Raises `CommandError` where there is none of that name."""
    if name not in SERVERS:
        raise CommandError(f"SERVER is {name!r}; it must be one of {', '.join(SERVERS)}.")
    return SERVERS[name]
