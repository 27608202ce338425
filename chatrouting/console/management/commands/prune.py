"""`manage.py prune`: remove what is no longer needed, in batches."""

from typing import Any

from django.core.management.base import CommandParser

from chatrouting.console.operating import OperatorCommand, demand_positive
from chatrouting.console.pruning import BATCH, PRUNABLE


class Command(OperatorCommand):
    help = (
        "Remove rows that are no longer needed. Workers do the same by themselves once an hour; "
        "events are kept in Valkey and expire there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        names = [prunable.name for prunable in PRUNABLE]
        parser.add_argument(
            "--only", choices=names, action="append", help="this kind; repeatable (default: all)"
        )
        parser.add_argument(
            "--batch", type=int, default=BATCH, help=f"rows a transaction (default {BATCH})"
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: object, only: list[str] | None, **options: Any) -> None:
        demand_positive(options, "batch")
        for prunable in PRUNABLE:
            if only and prunable.name not in only:
                continue
            if options["dry_run"]:
                count, verb = prunable.rows().count(), "to prune"
            else:
                count, verb = sum(prunable.prune(options["batch"])), "pruned"
            self.stdout.write(f"{prunable.name}: {count} {verb} ({prunable.why})")
