"""Telling who joined a thread and who left it: after the commit, and at the latest by a sweep.

Changes of a thread are told in the order they happened, each under a key: whoever tells one tells those
before it first, so that a process which was held up can bring nothing back that is over.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import msgspec

from chatrouting.database import in_database
from chatrouting.stream.log import Membership
from chatrouting.stream.publishing import Event, publish
from chatrouting.threads import membership
from chatrouting.threads.messages import Member, MembersChanged, ThreadRemoved
from chatrouting.threads.models import MembershipChange

LATE = timedelta(seconds=3)
BATCH = 100


async def tell_turnover(thread_id: UUID) -> None:
    """Tell what is not told yet. Repeating it does nothing.

    Who left is told first, and hears nothing of the thread after that, whoever still takes them for a
    member. Raises redis-py's errors where Valkey does not answer; the sweep then tells it later.
    """
    changes = await in_database(membership.untold, thread_id)
    for change in changes:
        await _tell(change)
    await in_database(membership.told, changes)


async def _tell(change: MembershipChange) -> None:
    members = msgspec.convert(change.members, list[Member])
    key, user_id = f"membership:{change.pk}", str(change.user_id or "")
    changed = Event(MembersChanged(members=members), change.thread_id, key=key)
    if change.kind == MembershipChange.Kind.LEFT:
        own = Event(ThreadRemoved(), change.thread_id, key=key, membership=Membership.LEAVE)
    else:
        own = replace(changed, membership=Membership.JOIN)
    await publish([user_id] if user_id else [], own)
    await publish([each.user_id for each in members if each.user_id != user_id], changed)


def untold_turnover() -> list[UUID]:
    """The threads whose members should have been told of one another by now."""
    return membership.told_late(LATE, BATCH)
