"""Tools that return what Python has and JSON has not."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from uuid import UUID

from django.contrib.auth import get_user_model

from chatrouting.agents.tools import ToolContext, tool


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


@tool
async def typed() -> dict[object, object]:
    """One of each."""
    return {
        "colour": Colour.RED,
        "size": Size.LARGE,
        "day": date(2026, 2, 3),
        "at": datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=timezone.utc),
        "there": datetime(2026, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        "key": UUID(int=1),
        "price": Decimal("12.30"),
        "several": (Colour.RED, {Size.LARGE: Decimal("1E+2")}),
        UUID(int=2): date(2026, 12, 31),
    }


@tool
def account(mine: ToolContext) -> object:
    """The whole row of who asks, which nobody should see."""
    return get_user_model().objects.get(pk=mine.user.id)
