"""Telling a thread's members its title: after the commit, and at the latest by the outbox's sweep."""

from uuid import UUID

from django.db.models import F

from chatrouting.database import in_database
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads.messages import ThreadUpdated
from chatrouting.threads.models import Thread
from chatrouting.threads.rules import member_ids
from routing_core.envelope import timestamp

BATCH = 100


async def tell_title(thread_id: UUID) -> None:
    """Append `thread_updated` to the streams of the thread's members.

    Whoever told a title looks afterwards whether it is still so, and tells again where it is not: so the
    last that a stream says is true, however many rename the thread at once. What two tell at the same time
    counts once: under a key of the title's version and of those that were told before it in vain.
    Raises redis-py's errors where Valkey does not answer; the sweep then tells it later.
    """
    versions: list[str] = []
    told = False
    while not told:
        thread = await in_database(Thread.objects.filter(pk=thread_id, deleted_at=None).first)
        if thread is None:
            return
        members = await in_database(member_ids, thread_id)
        updated = ThreadUpdated(title=thread.title, updated_at=timestamp(thread.updated_at))
        versions.append(str(thread.title_version))
        key = f"title:{thread_id}:{'>'.join(versions)}"
        await publish(members, Event(updated, thread_id, key=key))
        told = await in_database(_mark, thread)


def untold_titles() -> list[UUID]:
    """Threads whose members may not have heard of their title: a crash or an outage came between."""
    found = Thread.objects.filter(deleted_at=None, title_told__lt=F("title_version"))
    return list(found.order_by("updated_at").values_list("id", flat=True)[:BATCH])


def _mark(thread: Thread) -> bool:
    """Note what was told. False where the thread was renamed in the meantime."""
    same = Thread.objects.filter(pk=thread.pk, title_version=thread.title_version)
    return bool(same.update(title_told=thread.title_version))
