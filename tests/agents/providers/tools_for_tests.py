"""Tools that a model may call in tests: they note what they did."""

import asyncio

from chatrouting.agents.tools import tool

done: list[str] = []


@tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay so much."""
    done.append(f"paid {amount}")
    return f"paid {amount}"


@tool
async def endless() -> None:
    """Never ends."""
    done.append("began")
    await asyncio.Event().wait()


@tool
async def note(text: str) -> str:
    """Note this."""
    done.append(text)
    return "noted"
