"""What does something in the world: tools that leave a line in the file of the test each time, and an agent."""

import asyncio
import os
import time

from chatrouting.agents.contract import CrashPolicy
from chatrouting.agents.demo import DemoAgent
from chatrouting.agents.tools import ToolContext, tool

SECONDS = float(os.environ.get("MARK_SECONDS", "0.5"))


@tool
async def mark(word: str) -> str:
    """Do it, then take a while. It must not be done twice."""
    _leave(word)
    await asyncio.sleep(SECONDS)
    return word


@tool(idempotent=True)
async def mark_by_key(word: str, mine: ToolContext) -> str:
    """The same; done again under the same key, it counts once."""
    _leave(f"{word}={mine.idempotency_key}")
    await asyncio.sleep(SECONDS)
    return word


@tool
def doze(word: str) -> str:
    """Take three seconds of a thread, which nothing can cut short, then do it."""
    _leave("dozing")
    time.sleep(3)
    _leave(word)
    return word


def _leave(line: str) -> None:
    with open(os.environ["MARKS"], "a") as marks:
        marks.write(f"{line}\n")


class Brittle(DemoAgent):
    """The demo agent, whose runs are lost with their worker."""

    name = "brittle"
    on_crash = CrashPolicy.FAIL
