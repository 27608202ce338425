"""The project's routes and one that says what is alive in the process.

A process of the project takes them with `CHATROUTING_ROUTER=tests.routes_of_objects.router`.
"""

import asyncio
import gc
from collections import Counter
from typing import ClassVar

from chatrouting.chat.context import Context
from chatrouting.routing import router as project_router
from routing_core.messages import Message
from routing_core.router import Route, Router

OUR_PACKAGES = ("chatrouting", "routing_core")


class CountObjects(Message, frozen=True):
    """Ask what is alive in the process."""

    type: ClassVar[str] = "test.objects"


class ObjectsCounted(Message, frozen=True):
    """What is alive: objects of our own classes by name, tasks, and objects of any kind."""

    type: ClassVar[str] = "test.objects_counted"

    own: dict[str, int]
    tasks: int
    all: int


async def count_objects(ctx: Context, message: CountObjects) -> ObjectsCounted:
    gc.collect()
    found = gc.get_objects()
    kinds = (type(each) for each in found)
    own = Counter(
        kind.__qualname__ for kind in kinds if str(kind.__module__).split(".")[0] in OUR_PACKAGES
    )
    return ObjectsCounted(own=dict(own), tasks=len(asyncio.all_tasks()), all=len(found))


router: Router[Context] = Router(
    [*project_router.routes, Route(CountObjects, count_objects)],
    events=project_router.events,
    signals=project_router.signals,
)
