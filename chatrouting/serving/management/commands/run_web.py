"""`manage.py run_web`: serve pages and sockets until told to stop."""

from django.core.asgi import get_asgi_application
from django.core.management.base import BaseCommand, CommandParser
from django.utils.module_loading import import_string

from chatrouting.serving.address import Address, demand_no_demo_accounts
from chatrouting.serving.parent import end_with_parent
from chatrouting.stream.availability import demand_valkey


class Command(BaseCommand):
    help = "Serve the site on daphne until SIGTERM or SIGINT, then drain its sockets and end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", help="address to listen on (default: HOST, else 127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on (default: PORT, else 8000)")

    def handle(self, *args: object, host: str | None, port: int | None, **options: object) -> None:
        from django.conf import settings

        from chatrouting.serving.daphne import DaphneServer

        given = Address.from_environment()
        address = Address(host or given.host, port or given.port)
        demand_valkey()
        demand_no_demo_accounts()
        listener = address.listen()
        end_with_parent()
        get_asgi_application()
        application = import_string(settings.ASGI_APPLICATION)
        self.stdout.write(f"serving {address.url}")
        DaphneServer(application, listener).run()
