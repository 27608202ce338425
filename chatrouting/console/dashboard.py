"""What the first page shows: figures, the newest runs, the living processes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import Count, Model, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from chatrouting.agents import workers
from chatrouting.agents.models import DeadLetter, Run, Worker
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.connections.models import Connection, Process
from chatrouting.console.durations import time_taken
from chatrouting.console.living import connections_alive, processes_alive

ENDED_WITHIN = timedelta(hours=1)
NEWEST = 10  # runs

STANDING = (
    (RunStatus.RUNNING, "Runs running"),
    (RunStatus.QUEUED, "Runs queued"),
    (RunStatus.WAITING, "Runs waiting for a decision"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and the query of the list where its rows are found."""

    label: str
    value: int
    query: str = ""


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """Figures that are counted from rows of one model, for those who may view it."""

    title: str
    model: type[Model]
    count: Callable[[], list[Figure]]


def connected() -> list[Figure]:
    alive = connections_alive()
    found = alive.aggregate(sockets=Count("id"), people=Count("user", distinct=True))
    return [
        Figure("Connected now", found["sockets"]),
        Figure("People online", found["people"]),
    ]


def processes() -> list[Figure]:
    return [Figure("Processes alive", processes_alive().count())]


def working() -> list[Figure]:
    unclaimed = Run.objects.filter(status=RunStatus.RUNNING, fence=0)
    return [
        Figure("Workers alive", workers.alive().count()),
        Figure("Runs at work", workers.alive().aggregate(total=Sum("runs"))["total"] or 0),
        Figure("Runs not yet taken by a worker", unclaimed.count()),
    ]


def undecided() -> list[Figure]:
    dead = DeadLetter.State.DEAD
    count = DeadLetter.objects.filter(state=dead).count()
    return [Figure("Dead letters", count, f"state__exact={dead}")]


def standing() -> list[Figure]:
    counts = _by(Run.objects.exclude(status=RunStatus.COMPLETED), "status")
    return [
        Figure(label, counts.get(status, 0), f"status__exact={status}")
        for status, label in STANDING
    ]


def ended() -> list[Figure]:
    since = timezone.now() - ENDED_WITHIN
    counts = _by(Run.objects.filter(finished_at__gte=since), "outcome")
    return [
        Figure(outcome.label, counts.get(outcome, 0), f"outcome__exact={outcome}")
        for outcome in Outcome
    ]


def _by(runs: QuerySet[Run], field: str) -> dict[str, int]:
    counted = runs.order_by().values_list(field).annotate(Count("id"))
    return dict(counted)


GROUPS = (
    FigureGroup("People", Connection, connected),
    FigureGroup("Web", Process, processes),
    FigureGroup("Workers", Worker, working),
    FigureGroup("Runs", Run, standing),
    FigureGroup("Failed for good", DeadLetter, undecided),
    FigureGroup("Runs ended in the last hour", Run, ended),
)


def newest_runs() -> list[dict[str, Any]]:
    """The runs that were asked for last, newest first."""
    runs = Run.objects.select_related("user").order_by("-created_at")[:NEWEST]
    return [{"run": run, "duration": time_taken(run.started_at, run.finished_at)} for run in runs]


def dashboard(site: AdminSite, request: HttpRequest) -> dict[str, Any]:
    """The context of the first page: of each part, what the person may view."""

    def viewed(model: type[Model]) -> bool:
        return site.get_model_admin(model).has_view_permission(request)

    groups = [
        {"title": group.title, "list": _list(site, group.model), "figures": group.count()}
        for group in GROUPS
        if viewed(group.model)
    ]
    return {
        "groups": groups,
        "runs": newest_runs() if viewed(Run) else None,
        "processes": processes_alive().order_by("started_at") if viewed(Process) else None,
    }


def _list(site: AdminSite, model: type[Model]) -> str:
    return reverse(f"{site.name}:{model._meta.app_label}_{model._meta.model_name}_changelist")
