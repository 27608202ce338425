"""The last of a deleted thread: told once the ends of all its runs are, then its rows go."""

from uuid import UUID

from django.db import transaction

from chatrouting.agents.models import DeadLetter, Run
from chatrouting.database import in_database
from chatrouting.stream.log import Membership
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads.messages import ThreadRemoved
from chatrouting.threads.models import MembershipChange, Thread
from chatrouting.threads.rules import member_ids


async def conclude(thread_id: UUID) -> None:
    """Append `thread_removed` to the members' streams and forget the thread, if all before it is told.

    Whoever tells the end of a run of a deleted thread calls this, so that the last of them does it.
    Repeating it does nothing. The streams refuse whatever comes of the thread afterwards.
    """
    members = await in_database(_to_be_told, thread_id)
    if members is None:
        return
    key = f"thread_removed:{thread_id}"
    await publish(members, Event(ThreadRemoved(), thread_id, key=key, membership=Membership.LEAVE))
    await in_database(_forget, thread_id)


def _to_be_told(thread_id: UUID) -> list[str] | None:
    """The members of the thread; None where it is not deleted, or not all that comes before is told.

    An end that was given up is not waited for.
    """
    if not Thread.objects.filter(pk=thread_id, deleted_at__isnull=False).exists():
        return None
    of_thread = {"thread_id": thread_id}
    untold_ends = Run.objects.filter(**of_thread, end_published_at=None).exclude(
        pk__in=DeadLetter.given_up(DeadLetter.Kind.END)
    )
    untold_changes = MembershipChange.objects.filter(**of_thread)
    return None if untold_ends.exists() or untold_changes.exists() else member_ids(thread_id)


@transaction.atomic
def _forget(thread_id: UUID) -> None:
    """Delete the rows; of several who do so at once, one after another."""
    for thread in Thread.objects.select_for_update().filter(pk=thread_id):
        thread.delete()
