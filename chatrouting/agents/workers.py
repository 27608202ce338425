"""The worker processes, as the operator sees them: a row lives as long as its worker says so."""

import asyncio
import logging
import os
import platform
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from chatrouting.agents.models import Worker
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.outages import log_failure

logger = logging.getLogger(__name__)


async def keep_seen(
    worker_id: str, queues: Sequence[str], load: Callable[[], tuple[int, int]]
) -> None:
    """Say that this worker lives, and its `load`: runs it has, and may have at a time. Runs for ever."""
    began = timezone.now()
    while True:
        count, concurrency = load()
        shown = {
            "host": platform.node(),
            "pid": os.getpid(),
            "queues": list(queues),
            "concurrency": concurrency,
            "runs": count,
            "started_at": began,
        }
        try:
            await in_database(_say, worker_id, shown)
        except Exception as error:  # noqa: BLE001 - reason: an edge: it is said again soon
            log_failure(logger, "the worker could not say that it lives", error)
        await asyncio.sleep(chat_settings().process_heartbeat_seconds)


async def forget(worker_id: str) -> None:
    """Say that this worker has ended."""
    try:
        await in_database(Worker.objects.filter(pk=worker_id).delete)
    except Exception as error:  # noqa: BLE001 - reason: an edge: others see soon that it says nothing any more
        log_failure(logger, "the worker could not say that it ended", error)


def alive() -> QuerySet[Worker]:
    """The workers that were seen of late."""
    dead = timedelta(seconds=chat_settings().process_dead_seconds)
    return Worker.objects.filter(seen_at__gte=timezone.now() - dead)


def _say(worker_id: str, shown: dict[str, object]) -> None:
    Worker.objects.update_or_create(pk=worker_id, defaults={**shown, "seen_at": timezone.now()})
    Worker.objects.exclude(pk__in=alive().values("pk")).delete()
