"""Runs that tests leave unfinished are no work for the worker that later tests start."""

from collections.abc import Iterator

from django.utils import timezone

from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome, RunStatus


def closed_afterwards() -> Iterator[None]:
    """A fixture's body: what was accepted while it held is closed at its end."""
    began = timezone.now()
    yield
    now = timezone.now()
    Run.objects.filter(created_at__gte=began).exclude(status=RunStatus.COMPLETED).update(
        status=RunStatus.COMPLETED, outcome=Outcome.CANCELLED, finished_at=now
    )
    Run.objects.filter(created_at__gte=began).update(end_published_at=now)
