"""`manage.py dead_letters`: list what failed for good, replay it, discard it."""

import json
import logging
from argparse import ArgumentTypeError
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from django.core.management.base import CommandError, CommandParser

from chatrouting.agents import dead_letters
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.chat import undelivered
from chatrouting.chat.models import Undelivered
from chatrouting.console.operating import OperatorCommand
from routing_core.envelope import timestamp
from routing_core.errors import RoutingError

logger = logging.getLogger(__name__)

Letter: TypeAlias = DeadLetter | Undelivered

BY = "manage.py dead_letters"
COLUMNS = ("id", "kind", "state", "tries", "run_id", "user", "reason")
OF_A_BROADCAST = "broadcast:"
LARGEST_ID = 2**63 - 1
ACTS: dict[str, dict[type[Letter], Callable[[Any], Run | None]]] = {
    "replay": {
        DeadLetter: partial(dead_letters.replay, by=BY),
        Undelivered: undelivered.replay,
    },
    "discard": {
        DeadLetter: partial(dead_letters.discard, by=BY),
        Undelivered: undelivered.discard,
    },
}


def letter_id(text: str) -> str:
    """An id as the list shows it: a number, after `broadcast:` where a broadcast was not delivered."""
    number = text.removeprefix(OF_A_BROADCAST)
    if not (number.isascii() and number.isdigit() and int(number) <= LARGEST_ID):
        raise ArgumentTypeError(f"{text!r} is no id of a dead letter: take one of the list.")
    return text


class Command(OperatorCommand):
    help = (
        "List, replay and discard dead letters: runs and publications that failed for good, "
        "and broadcasts that a user's stream refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list", help="those that wait for a decision")
        listing.add_argument("--all", action="store_true", help="also what was decided")
        listing.add_argument("--json", action="store_true", help="one JSON array")
        for name, said in (
            ("replay", "try a publication or broadcast again; ask the question of a run again"),
            ("discard", "let them rest"),
        ):
            acts.add_parser(name, help=said).add_argument("letters", nargs="+", type=letter_id)

    def handle(self, *args: object, act: str, **options: Any) -> None:
        if act == "list":
            self._list(**options)
        else:
            self._decide(act, options["letters"])

    def _list(self, **options: Any) -> None:
        found = DeadLetter.objects.select_related("run__user").order_by("created_at")
        if not options["all"]:
            found = found.filter(state__in=dead_letters.UNDECIDED)
        waiting = Undelivered.objects.select_related("broadcast", "user").order_by("pk")
        rows = [*map(_row, found), *map(_broadcast_row, waiting)]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write("  ".join(_shown(row[column]) for column in COLUMNS))
        self.stdout.write(f"{len(rows)} dead letters")

    def _decide(self, act: str, ids: list[str]) -> None:
        for asked in ids:
            letter = _found(asked)
            if letter is None:
                raise CommandError(f"There is no dead letter {asked}.")
            try:
                again = ACTS[act][type(letter)](letter)
            except (ValueError, RoutingError) as error:
                raise CommandError(f"{asked}: {error}") from None
            logger.info("%s: %s of dead letter %s", BY, act, asked)
            self.stdout.write(f"{asked} {act}" + (f" as run {again.pk}" if again else ""))


def _shown(value: object) -> str:
    """In one line, whatever a reason says."""
    return " ".join(str(value).split()) if value not in (None, "") else "-"


def _found(asked: str) -> Letter | None:
    number = int(asked.removeprefix(OF_A_BROADCAST))
    if asked.startswith(OF_A_BROADCAST):
        return Undelivered.objects.filter(pk=number).first()
    return DeadLetter.objects.filter(pk=number).first()


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.pk,
        "kind": letter.kind,
        "state": letter.state,
        "tries": letter.tries,
        "run_id": str(letter.run_id),
        "broadcast_id": None,
        "user": letter.run.username,
        "reason": letter.reason,
        "created_at": timestamp(letter.created_at),
        "decided_by": letter.decided_by,
    }


def _broadcast_row(refused: Undelivered) -> dict[str, Any]:
    """In the same words. What is decided is not kept."""
    return {
        "id": f"{OF_A_BROADCAST}{refused.pk}",
        "kind": "broadcast",
        "state": DeadLetter.State.TRYING if refused.due_at else DeadLetter.State.DEAD,
        "tries": refused.tries,
        "run_id": None,
        "broadcast_id": str(refused.broadcast_id),
        "user": refused.user.get_username(),
        "reason": refused.reason,
        "created_at": timestamp(refused.broadcast.created_at),
        "decided_by": "",
    }
