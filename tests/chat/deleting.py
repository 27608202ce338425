"""Threads that are deleted, and what their members were told."""

import asyncio

from chatrouting.agents.supervisor import Supervisor
from chatrouting.chat import outbox, threads
from chatrouting.chat.thread_messages import DeleteThread
from chatrouting.chat.threads import delete_thread
from chatrouting.database import in_database
from chatrouting.threads import membership
from chatrouting.threads.models import Thread, ThreadMember
from tests.agents.accepted import claimed
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until
from tests.chat.asking import a_context
from tests.chat.told import told


async def delete(person, thread):
    return await delete_thread(a_context(person), DeleteThread(thread_id=thread.pk))


async def mark_deleted(person, thread):
    """What the transaction of the deletion leaves, where its process died right after it."""
    await in_database(threads._delete, person.id, thread.pk)


async def sweep():
    for due in outbox.DUE:
        await outbox._tell_late(due)


async def is_there(thread):
    return await in_database(Thread.objects.filter(pk=thread.pk).exists)


async def types_told(person):
    return [event["type"] for event in await told(person.id)]


async def ends_told(person):
    return [
        (event["run_id"], event["payload"]["outcome"], event["payload"]["attempt"])
        for event in await told(person.id)
        if event["type"] == "agent_completed"
    ]


async def at_work(run, *steps):
    """A worker that has begun this run, and its task."""
    supervisor = Supervisor(await in_database(claimed, run), ScriptedAgent(steps))
    working = asyncio.create_task(supervisor.supervise())
    owner = str(run.user_id)

    async def begun():
        return "agent_delta" in [event["type"] for event in await told(owner)]

    await until(begun)
    return supervisor, working


def joined_unheard(thread, person):
    """As by a process that was killed before it told of it."""
    ThreadMember.objects.create(thread=thread, user_id=person.id)
    members = membership.members_of(thread.pk)
    membership._note(thread.pk, int(person.id), membership.Kind.JOINED, members)
