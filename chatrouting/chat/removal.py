"""Carrying out the deletion of a thread: begun after the commit, and brought to its end by the outbox's sweep."""

from uuid import UUID

from chatrouting.agents.removal import conclude
from chatrouting.agents.stopping import stop_all
from chatrouting.chat.turnover import tell_turnover
from chatrouting.threads.models import Thread

BATCH = 100


async def remove(thread_id: UUID) -> None:
    """Stop what runs in a deleted thread. Once all of it is told, its members lose it and its rows go.

    Where a worker has to end a run first, that worker goes on from there. Raises redis-py's errors where
    Valkey does not answer. Repeating it does nothing twice.
    """
    await stop_all(thread_id)
    await tell_turnover(thread_id)
    await conclude(thread_id)


def deleted_threads() -> list[UUID]:
    """Threads that are deleted and not gone yet."""
    found = Thread.objects.filter(deleted_at__isnull=False)
    return list(found.order_by("deleted_at").values_list("id", flat=True)[:BATCH])
