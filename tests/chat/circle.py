"""Threads with several members."""

from chatrouting.database import in_database
from chatrouting.threads.models import Thread, ThreadMember
from chatrouting.threads.rules import Person
from tests.agents.accepted import a_person, a_thread


async def someone() -> Person:
    """Somebody new."""
    return await in_database(a_person)


async def a_thread_of(owner: Person, *members: Person) -> Thread:
    """A thread of the owner, with these members."""
    thread = await in_database(a_thread, owner)
    for member in members:
        await in_database(ThreadMember.objects.create, thread_id=thread.pk, user_id=int(member.id))
    return thread
