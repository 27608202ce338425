"""`manage.py runs`: list, show, stop runs, or ask their questions again."""

import json
import logging
import uuid
from typing import Any

from django.core.management.base import CommandError, CommandParser

from chatrouting.agents.dead_letters import ask_again
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import RunStatus
from chatrouting.agents.stopping import stop_now
from chatrouting.console.operating import OperatorCommand, demand_positive, person_named
from routing_core.envelope import timestamp
from routing_core.errors import RoutingError

logger = logging.getLogger(__name__)

COLUMNS = ("run_id", "status", "outcome", "agent", "user", "attempt", "created_at")
NEWEST = 50


class Command(OperatorCommand):
    help = "List, show, stop and retry runs."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list", help="the newest runs")
        listing.add_argument("--user", help="only those of the person with this name")
        listing.add_argument("--status", choices=RunStatus.values, help="only those in this state")
        listing.add_argument("--thread", type=uuid.UUID, help="only those of this thread")
        listing.add_argument("--limit", type=int, default=NEWEST, help=f"so many ({NEWEST})")
        listing.add_argument("--json", action="store_true", help="one JSON array")
        for name, said in (
            ("show", "all there is to know of a run, as JSON"),
            ("stop", "stop runs"),
            ("retry", "ask the questions of runs that have ended again"),
        ):
            acts.add_parser(name, help=said).add_argument("runs", nargs="+", type=uuid.UUID)

    def handle(self, *args: object, act: str, **options: Any) -> None:
        getattr(self, f"_{act}")(**options)

    def _list(self, **options: Any) -> None:
        demand_positive(options, "limit")
        asked = {
            "user": person_named(options["user"]) if options["user"] is not None else None,
            "status": options["status"],
            "thread_id": options["thread"],
        }
        chosen = {field: value for field, value in asked.items() if value is not None}
        found = Run.objects.filter(**chosen).select_related("user").order_by("-created_at")
        rows = [_row(run) for run in found[: options["limit"]]]
        if options["json"]:
            self.stdout.write(json.dumps(rows, indent=2))
            return
        for row in rows:
            self.stdout.write("  ".join(str(row[column] or "-") for column in COLUMNS))
        self.stdout.write(f"{len(rows)} runs")

    def _show(self, runs: list[uuid.UUID], **options: Any) -> None:
        shown = [{**_row(run), **_more(run)} for run in map(_run, runs)]
        self.stdout.write(json.dumps(shown, indent=2))

    def _stop(self, runs: list[uuid.UUID], **options: Any) -> None:
        for run in map(_run, runs):
            logger.info("manage.py runs stops run %s", run.pk)
            self.stdout.write(f"{run.pk} {stop_now(run)}")

    def _retry(self, runs: list[uuid.UUID], **options: Any) -> None:
        for run in map(_run, runs):
            try:
                again = ask_again(run)
            except (ValueError, RoutingError) as error:
                raise CommandError(f"{run.pk}: {error}") from None
            logger.info("manage.py runs asks again for run %s: run %s", run.pk, again.pk)
            self.stdout.write(f"{run.pk} {again.pk}")


def _run(run_id: uuid.UUID) -> Run:
    run = Run.objects.filter(pk=run_id).select_related("user", "question").first()
    if run is None:
        raise CommandError(f"There is no run {run_id}.")
    return run


def _row(run: Run) -> dict[str, Any]:
    return {
        "run_id": str(run.pk),
        "thread_id": str(run.thread_id),
        "user": run.username,
        "agent": run.agent,
        "status": run.status,
        "outcome": run.outcome,
        "attempt": run.attempt,
        "created_at": timestamp(run.created_at),
    }


def _more(run: Run) -> dict[str, Any]:
    return {
        "priority": run.get_priority_display(),
        "worker": run.worker,
        "error_code": run.error_code,
        "error_text": run.error_text,
        "trace_id": run.trace_id,
        "finished_at": timestamp(run.finished_at) if run.finished_at else None,
        "stop_asked": run.cancel_requested_at is not None,
        "tools": list(run.tool_calls.order_by("id").values("call_id", "tool", "status")),
        "dead_letters": list(run.dead_letters.values("id", "kind", "state", "reason")),
    }
