"""`manage.py verify_delivery`: prove that a running deployment loses, doubles and crosses nothing."""

import asyncio
import json
from dataclasses import asdict
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from websockets.exceptions import WebSocketException

from chatrouting.console.operating import OperatorCommand, demand_positive
from chatrouting.serving.address import Address
from chatrouting.stream.availability import demand_valkey
from chatrouting.testing.device import Refused, Site
from chatrouting.testing.people import Person, make_people
from chatrouting.testing.verification import Plan, Report, verify

FIGURES = (
    "published", "delivered", "recovered", "lost", "doubled", "disordered", "crossed", "cuts",
)  # fmt: skip


class Command(OperatorCommand):
    help = (
        "Make throw-away people, publish to them, cut their sockets, resume, and count. "
        "Ends with 1 where anything was lost, doubled, out of order, or reached somebody else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", help="the site (default: http://HOST:PORT/)")
        parser.add_argument("--users", type=int, default=5)
        parser.add_argument("--devices", type=int, default=3, help="of each user")
        parser.add_argument("--events", type=int, default=100, help="for each user")
        parser.add_argument("--rate", type=float, default=20, help="events a second for each user")
        parser.add_argument("--cuts", type=float, default=2, help="sockets cut a second, over all")
        parser.add_argument("--seed", type=int, default=0, help="the same seed, the same cuts")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: object, **options: Any) -> None:
        plan = _plan(options)
        demand_valkey()
        people = make_people(options["users"])
        try:
            report = asyncio.run(verify(_site(options["url"]), people, plan))
        except (OSError, WebSocketException) as error:
            raise CommandError(f"The site cannot be reached: {error}") from None
        except Refused as error:
            raise CommandError(f"The site refused a socket: {error}.") from None
        finally:
            _remove(people)
        self._say(report, as_json=options["json"])
        if not report.good:
            raise CommandError("Not everything was delivered as it must be.", returncode=1)

    def _say(self, report: Report, *, as_json: bool) -> None:
        figures = {name: asdict(report)[name] for name in FIGURES}
        figures |= {"p50_ms": report.latency_ms(0.5), "p99_ms": report.latency_ms(0.99)}
        if as_json:
            self.stdout.write(json.dumps(figures))
            return
        for name, value in figures.items():
            self.stdout.write(f"{name:<10} {value:>8.10g}")


def _plan(options: dict[str, Any]) -> Plan:
    demand_positive(options, "users", "devices", "events", "rate")
    if options["cuts"] < 0:
        raise CommandError(f"--cuts is {options['cuts']}; it must not be less than 0.")
    return Plan(
        devices=options["devices"],
        events=options["events"],
        events_per_second=options["rate"],
        cuts=options["cuts"],
        seed=options["seed"],
    )


def _site(url: str | None) -> Site:
    """The site's pages are at `url`, its sockets below it."""
    origin = (url or Address.from_environment().url).rstrip("/")
    scheme, _, place = origin.partition("://")
    schemes = {"http": "ws", "https": "wss"}
    if scheme not in schemes or not place:
        raise CommandError(f"--url is {url!r}; it must begin with http:// or https://.")
    return Site(f"{schemes[scheme]}://{place}/ws/chat/", origin)


def _remove(people: list[Person]) -> None:
    """With their sessions: nothing of them is left."""
    from importlib import import_module

    from django.conf import settings

    store = import_module(settings.SESSION_ENGINE).SessionStore
    for person in people:
        store(person.session_key).delete()
    keys = [person.user_id for person in people]
    get_user_model()._default_manager.filter(pk__in=keys).delete()
