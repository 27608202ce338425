"""A tool that does something in the world which must not be done twice."""

import asyncio
import os

from chatrouting.agents.tools import tool


@tool
async def mark(word: str) -> str:
    """Add a line with this word to the file of the test, then take a while."""
    with open(os.environ["MARKS"], "a") as marks:  # noqa: ASYNC230 - reason: at once, as a whole line
        marks.write(f"{word}\n")
    await asyncio.sleep(0.5)
    return word
