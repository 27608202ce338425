"""The project's routes and a few more, for what no ordinary handler does: wait, fail, show its context.

A process of the project takes them with `CHATROUTING_ROUTER=tests.routes_for_tests.router`.
"""

import asyncio
from collections import defaultdict
from dataclasses import FrozenInstanceError
from typing import ClassVar

from chatrouting.chat.context import Context
from chatrouting.routing import SERVER_TYPES
from chatrouting.routing import router as project_router
from routing_core.messages import Message
from routing_core.router import Route, Router

SECRET = "/srv/secret/settings.py SELECT password FROM auth_user"
REPLIES = ("test.counted", "test.opened", "test.passed", "test.shown")


class Wait(Message, frozen=True):
    """Wait at a gate until somebody opens it."""

    type: ClassVar[str] = "test.wait"

    gate: str


class Open(Message, frozen=True):
    """Open a gate for all who wait there and who come later."""

    type: ClassVar[str] = "test.open"

    gate: str


class CountWaiting(Message, frozen=True):
    """Ask how many wait at a gate."""

    type: ClassVar[str] = "test.waiting"

    gate: str


class Fail(Message, frozen=True):
    """Fail in a way nobody foresaw."""

    type: ClassVar[str] = "test.fail"


class ShowContext(Message, frozen=True):
    """Show what the handler is given, and whether it can be changed."""

    type: ClassVar[str] = "test.context"


class Passed(Message, frozen=True):
    """The gate was open."""

    type: ClassVar[str] = "test.passed"


class Opened(Message, frozen=True):
    """The gate is open."""

    type: ClassVar[str] = "test.opened"


class Counted(Message, frozen=True):
    """So many wait at the gate."""

    type: ClassVar[str] = "test.counted"

    count: int


class Shown(Message, frozen=True):
    """The handler's context."""

    type: ClassVar[str] = "test.shown"

    user_id: str
    user_name: str
    connection_id: str
    session_digest: str
    request_type: str
    request_id: str | None
    trace_id: str
    unchangeable: list[str]


class Gate:
    """Where handlers wait; `waiting` of them now."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0


gates: defaultdict[str, Gate] = defaultdict(Gate)


async def wait(ctx: Context, message: Wait) -> Passed:
    gate = gates[message.gate]
    gate.waiting += 1
    try:
        await gate.opened.wait()
    finally:
        gate.waiting -= 1
    return Passed()


async def open_gate(ctx: Context, message: Open) -> Opened:
    gates[message.gate].opened.set()
    return Opened()


async def count_waiting(ctx: Context, message: CountWaiting) -> Counted:
    return Counted(count=gates[message.gate].waiting)


async def fail(ctx: Context, message: Fail) -> Passed:
    raise RuntimeError(SECRET)


async def show_context(ctx: Context, message: ShowContext) -> Shown:
    return Shown(
        user_id=ctx.user.id,
        user_name=ctx.user.name,
        connection_id=ctx.connection_id,
        session_digest=ctx.session_digest,
        request_type=ctx.request.type,
        request_id=ctx.request.id,
        trace_id=ctx.request.trace_id,
        unchangeable=[
            *_unchangeable(ctx, "user", "connection_id", "session_digest", "request"),
            *_unchangeable(ctx.user, "id", "name"),
            *_unchangeable(ctx.request, "id", "trace_id"),
        ],
    )


def _unchangeable(thing: object, *names: str) -> list[str]:
    """Those of the attributes that refuse to be set."""
    refused = []
    for name in names:
        try:
            setattr(thing, name, None)
        except FrozenInstanceError:
            refused.append(f"{type(thing).__name__}.{name}")
    return refused


router: Router[Context] = Router(
    [
        *project_router.routes,
        Route(Wait, wait),
        Route(Open, open_gate),
        Route(CountWaiting, count_waiting),
        Route(Fail, fail),
        Route(ShowContext, show_context),
    ],
    server_types=(*SERVER_TYPES, *REPLIES),
)
