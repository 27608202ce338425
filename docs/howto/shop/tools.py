"""The tools of a shop: all that a project writes to give its agents something to do."""

from typing import Annotated

from msgspec import Meta

from chatrouting.agents.tools import ToolContext, tool

PRICES = {f"article {number:04}": number % 90 + 10 for number in range(1, 2_001)}


@tool
async def price_list(below: Annotated[int, Meta(ge=1)] = 1_000) -> dict[str, int]:
    """The articles that cost less than so much, with their prices."""
    return {article: price for article, price in PRICES.items() if price < below}


@tool(needs_approval=True, idempotent=True)
async def order(article: str, number: Annotated[int, Meta(ge=1, le=9)], mine: ToolContext) -> str:
    """Order an article. A real shop gives the key to the service that takes orders."""
    return f"order {mine.idempotency_key} of {mine.user.name}: {number} × {article}"
