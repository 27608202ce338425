"""A run with a toolbox of tools that end in every way a tool can."""

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import Annotated

from msgspec import Meta

from chatrouting.agents.models import ToolCall
from chatrouting.agents.publisher import RunKey, RunPublisher
from chatrouting.agents.toolbox import Toolbox
from chatrouting.agents.tools import ToolContext, tool
from chatrouting.database import in_database
from tests.agents.accepted import a_claimed_run, events_of


@tool
async def double(number: Annotated[int, Meta(le=10**6)], password: str = "") -> dict[str, object]:
    """Twice the number."""
    return {"value": 2 * number, "token": "hunter2"}


@tool
async def broken() -> None:
    """Fails with something that is nobody's business."""
    raise RuntimeError("hunter2 at /etc/secret")


@tool(seconds=0.05)
async def endless() -> None:
    """Never ends."""
    await asyncio.Event().wait()


@tool
async def late() -> None:
    """Meets a limit of its own."""
    raise TimeoutError


@tool
def in_a_thread() -> str:
    """Runs in a thread."""
    return threading.current_thread().name


release = threading.Event()


@tool
def unstoppable() -> None:
    """Cannot be stopped."""
    release.wait(10)


@tool
async def unkeepable() -> object:
    """Gives what JSON does not have."""
    return {"nan": float("nan"), "text": "a\x00\ud800", 1: {2}}


@tool
async def unserialisable() -> object:
    """Gives what nobody can read."""
    return object()


@tool
async def huge() -> list[str]:
    """Gives more than may be sent."""
    return ["x" * 1_000] * 90


@tool
async def whose(mine: ToolContext) -> list[str]:
    """Whose call it is."""
    ids = (mine.user.id, str(mine.run_id), str(mine.thread_id), mine.call_id)
    return [*ids, mine.idempotency_key]


@tool(permission="chatrouting_threads.add_thread")
async def guarded() -> str:
    """Not for everybody."""
    return "done"


TOOLS = {
    each.name: each
    for each in (double, broken, endless, late, in_a_thread, unstoppable, unkeepable,
                 unserialisable, huge, whose, guarded)
}  # fmt: skip


class Bench:
    """A run, and the toolbox of its agent."""

    def __init__(self, run, publisher):
        self.run = run
        self.publisher = publisher
        self.box = Toolbox(run, publisher, TOOLS)

    async def told(self):
        """The payloads of the calls, as the members saw them."""
        await self.publisher.settled()
        return [(event["type"], event["payload"]) for event in await events_of(self.run)]

    async def row(self):
        return await in_database(ToolCall.objects.get, run=self.run)


@asynccontextmanager
async def a_bench():
    run = await in_database(a_claimed_run)

    async def audience():
        return [str(run.user_id)]

    key = RunKey(run.pk, run.thread_id, run.fence)
    async with RunPublisher(key, audience, 0.001) as publisher:
        yield Bench(run, publisher)
