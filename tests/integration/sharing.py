"""A thread of several people, as their clients make it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.people import Person, allow, make_people
from chatrouting.testing.system import Web
from chatrouting.threads.membership import SHARE


@asynccontextmanager
async def connected(web: Web, *people: Person) -> AsyncIterator[list[ProtocolClient]]:
    """A socket for each, in their order."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(await web.connect(each)) for each in people]


def sharing_people(count: int) -> list[Person]:
    """Several people; the first may share threads."""
    people = make_people(count)
    allow(people[0], SHARE)
    return people


async def shared_thread(owner: ProtocolClient, *others: Person) -> str:
    """Begin a thread and let these people in. Returns its id, when all of it is told."""
    accepted = (await owner.ask("user_message", content="/stream 1 1"))["payload"]
    await owner.whole_run(accepted["run_id"])
    for person in others:
        await add(owner, accepted["thread_id"], person)
    return accepted["thread_id"]


async def add(owner: ProtocolClient, thread_id: str, person: Person) -> None:
    """Let this person in; all are told when this returns."""
    reply = await owner.ask("add_member", thread_id=thread_id, username=person.name)
    assert reply["type"] == "members", reply


async def remove(owner: ProtocolClient, thread_id: str, person: Person) -> None:
    """Let this person out; nothing more reaches them when this returns."""
    reply = await owner.ask("remove_member", thread_id=thread_id, username=person.name)
    assert reply["type"] == "members", reply
