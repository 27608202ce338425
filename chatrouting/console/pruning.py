"""What is no longer needed, and how it is removed: in batches, so that nobody waits behind a long transaction."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from chatrouting.chat.models import Broadcast, Receipt
from chatrouting.conf import chat_settings
from chatrouting.connections.models import Process
from chatrouting.connections.registry import alive_since
from chatrouting.database import in_database
from chatrouting.outages import log_failure

logger = logging.getLogger(__name__)

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Prunable:
    """Rows of one kind that may go. `rows` finds them as of now."""

    name: str
    why: str
    rows: Callable[[], QuerySet[Any]]

    def prune(self, batch: int = BATCH) -> Iterator[int]:
        """Remove them; yields how many went with each batch."""
        while count := self.prune_some(batch):
            yield count

    def prune_some(self, batch: int = BATCH) -> int:
        """Remove one batch of them; how many that were."""
        keys = list(self.rows().order_by("pk").values_list("pk", flat=True)[:batch])
        self.rows().model._default_manager.filter(pk__in=keys).delete()
        return len(keys)


def _older_than(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


def _receipts() -> QuerySet[Any]:
    return Receipt.objects.filter(created_at__lt=_older_than(chat_settings().receipt_seconds))


def _processes() -> QuerySet[Any]:
    return Process.objects.filter(seen_at__lt=alive_since())


def _broadcasts() -> QuerySet[Any]:
    old = _older_than(chat_settings().broadcast_seconds)
    return Broadcast.objects.filter(completed_at__lt=old, undelivered=None)


PRUNABLE = (
    Prunable("receipts", "of messages whose id may be used again", _receipts),
    Prunable("connections", "of processes that died, with the processes", _processes),
    Prunable("broadcasts", "that were told to everybody a while ago", _broadcasts),
)


async def keep_pruning() -> None:
    """Remove what may go, now and then. Runs for ever; any number of processes may."""
    while True:
        spread = random.uniform(0.5, 1.5)  # noqa: S311 - reason: only spreads load
        await asyncio.sleep(chat_settings().prune_seconds * spread)
        for prunable in PRUNABLE:
            try:
                while count := await in_database(prunable.prune_some):
                    logger.info("%d %s pruned", count, prunable.name)
            except Exception as error:  # noqa: BLE001 - reason: an edge: the next round tries again
                log_failure(logger, f"{prunable.name} could not be pruned", error)
