"""`manage.py dead_letters`: list what failed for good, replay it, discard it."""

import json
import logging
from typing import Any

from django.core.management.base import CommandError, CommandParser

from chatrouting.agents import dead_letters
from chatrouting.agents.models import DeadLetter
from chatrouting.console.operating import OperatorCommand
from routing_core.envelope import timestamp
from routing_core.errors import RoutingError

logger = logging.getLogger(__name__)

BY = "manage.py dead_letters"
COLUMNS = ("id", "kind", "state", "tries", "run_id", "user", "reason")
ACTS = {"replay": dead_letters.replay, "discard": dead_letters.discard}


class Command(OperatorCommand):
    help = "List, replay and discard dead letters: runs and publications that failed for good."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list", help="those that wait for a decision")
        listing.add_argument("--all", action="store_true", help="also what was decided")
        listing.add_argument("--json", action="store_true", help="one JSON array")
        for name, said in (
            ("replay", "try a publication again; ask the question of a run again"),
            ("discard", "let them rest"),
        ):
            acts.add_parser(name, help=said).add_argument("letters", nargs="+", type=int)

    def handle(self, *args: object, act: str, **options: Any) -> None:
        if act == "list":
            self._list(**options)
        else:
            self._decide(act, options["letters"])

    def _list(self, **options: Any) -> None:
        found = DeadLetter.objects.select_related("run__user").order_by("created_at")
        if not options["all"]:
            found = found.filter(state__in=dead_letters.UNDECIDED)
        rows = [_row(letter) for letter in found]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write("  ".join(str(row[column]) for column in COLUMNS))
        self.stdout.write(f"{len(rows)} dead letters")

    def _decide(self, act: str, letters: list[int]) -> None:
        for letter_id in letters:
            letter = DeadLetter.objects.filter(pk=letter_id).first()
            if letter is None:
                raise CommandError(f"There is no dead letter {letter_id}.")
            try:
                again = ACTS[act](letter, BY)
            except (ValueError, RoutingError) as error:
                raise CommandError(f"{letter_id}: {error}") from None
            logger.info("%s: %s of dead letter %d", BY, act, letter_id)
            self.stdout.write(f"{letter_id} {act}" + (f" as run {again.pk}" if again else ""))


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.pk,
        "kind": letter.kind,
        "state": letter.state,
        "tries": letter.tries,
        "run_id": str(letter.run_id),
        "user": letter.run.username,
        "reason": letter.reason,
        "created_at": timestamp(letter.created_at),
        "decided_by": letter.decided_by,
    }
