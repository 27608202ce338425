"""`manage.py ask`: a member is answered by an agent, and an operator finds what is theirs by their address."""

import asyncio
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.test import Client

from chatrouting.serving.demo_accounts import make_demo_accounts, open_demo_accounts
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.people import make_person
from chatrouting.testing.system import System

LISTS = (
    "chatrouting_agents/run",
    "chatrouting_agents/approval",
    "chatrouting_agents/deadletter",
    "chatrouting_chat/broadcast",
    "chatrouting_chat/undelivered",
    "chatrouting_connections/connection",
    "chatrouting_threads/thread",
    "chatrouting_threads/threadmessage",
)


class Command(BaseCommand):
    help = "Ask an agent as a member, and look for it as an operator. Says how it ended, and where it was found."

    def add_arguments(self, parser):
        parser.add_argument("logs", type=Path)

    def handle(self, *args, logs, **options):
        settings.ALLOWED_HOSTS.append("testserver")
        with EmbeddedValkey(settings.DATA_DIR), System(logs) as system:
            call_command("makemigrations", "members", verbosity=0)
            call_command("migrate", verbosity=0)
            make_demo_accounts()
            person = make_person("alice@example.org")
            operator = make_person("operator@example.org", is_staff=True, is_superuser=True)
            system.worker()
            assert not open_demo_accounts()
            self.stdout.write(asyncio.run(_answered(system.web(), person)))
            for name in _found(operator, person):
                self.stdout.write(f"searched {name}")
            call_command("streams", "--user", person.name, stdout=self.stdout)
            call_command("runs", "list", "--user", person.name, stdout=self.stdout)


async def _answered(web, person):
    async with await web.connect(person) as client:
        accepted = await client.ask("user_message", content="What is 6 * 7?")
        events = await client.whole_run(accepted["payload"]["run_id"])
    return events[-1]["payload"]["outcome"]


def _found(operator, person):
    """The lists of the admin that can be searched by a name."""
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = operator.session_key
    for name in LISTS:
        if client.get(f"/admin/{name}/", {"q": person.name}).status_code == 200:
            yield name
