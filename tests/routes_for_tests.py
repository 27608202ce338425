"""The project's routes and a few more, for what no ordinary handler does: wait, fail, show its context.

A process of the project takes them with `CHATROUTING_ROUTER=tests.routes_for_tests.router`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from chatrouting.chat.context import Context
from chatrouting.chat.messages import ListThreads
from chatrouting.routing import router as project_router
from routing_core.live import live_router
from routing_core.messages import Message
from routing_core.router import Route, Router, UnknownRoute
from tests import failing_routes
from tests.failing_routes import SECRET, Passed
from tests.gates import Gate


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


class Serve(Message, frozen=True):
    """Ask which route serves."""

    type: ClassVar[str] = "test.serve"


class Served(Message, frozen=True):
    """The route of this name served."""

    type: ClassVar[str] = "test.served"

    by: str


class AddRoute(Message, frozen=True):
    """Serve `test.serve` with one more route, for one person only where `user_id` is given."""

    type: ClassVar[str] = "test.add"

    by: str
    priority: int = 0
    only_for: str | None = None


class DropRoute(Message, frozen=True):
    """Take out the routes of this name, or one that never was in the table."""

    type: ClassVar[str] = "test.drop"

    by: str


class TakeOver(Message, frozen=True):
    """Serve `list_threads` of whoever asks in place of the project's handler, or no more."""

    type: ClassVar[str] = "test.take_over"

    on: bool


class Churn(Message, frozen=True):
    """Add a route and take it out again, so often."""

    type: ClassVar[str] = "test.churn"

    times: int


class Changed(Message, frozen=True):
    """So many routes there are; so many messages came to one that was taken out."""

    type: ClassVar[str] = "test.changed"

    routes: int
    late: int = 0
    refused: str | None = None


async def wait(ctx: Context, message: Wait) -> Passed:
    await Gate(message.gate).passed()
    return Passed()


async def open_gate(ctx: Context, message: Open) -> Opened:
    await Gate(message.gate).open()
    return Opened()


async def count_waiting(ctx: Context, message: CountWaiting) -> Counted:
    return Counted(count=await Gate(message.gate).waiting())


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
        except AttributeError:
            refused.append(f"{type(thing).__name__}.{name}")
    return refused


def served_by(name: str) -> Callable[[Context, Serve], Awaitable[Served]]:
    async def serve(ctx: Context, message: Serve) -> Served:
        return Served(by=name)

    return serve


def route_count() -> int:
    return len(live_router().current().routes)


added: dict[str, Route[Context, Serve]] = {}


async def add_route(ctx: Context, message: AddRoute) -> Changed:
    only_for = message.only_for
    condition = None if only_for is None else lambda ctx: ctx.user.id == only_for
    route = Route(Serve, served_by(message.by), priority=message.priority, condition=condition)
    live_router().register(route)
    added[message.by] = route
    return Changed(routes=route_count())


async def drop_route(ctx: Context, message: DropRoute) -> Changed:
    route = added.get(message.by) or Route(Serve, served_by(message.by))
    try:
        live_router().unregister(route)
    except UnknownRoute as error:
        return Changed(routes=route_count(), refused=str(error))
    return Changed(routes=route_count())


taken_over: dict[str, Route[Context, ListThreads]] = {}


async def take_over(ctx: Context, message: TakeOver) -> Changed:
    user_id = ctx.user.id
    if message.on:
        route = Route(ListThreads, taken, priority=1, condition=lambda ctx: ctx.user.id == user_id)
        live_router().register(route)
        taken_over[user_id] = route
    else:
        live_router().unregister(taken_over.pop(user_id))
    return Changed(routes=route_count())


async def taken(ctx: Context, message: ListThreads) -> Served:
    return Served(by="another")


async def churn(ctx: Context, message: Churn) -> Changed:
    late, removed = 0, False

    def accepts(ctx: Context) -> bool:
        nonlocal late
        late += removed
        return True

    for _ in range(message.times):
        route = Route(Serve, served_by("passing"), priority=100, condition=accepts)
        live_router().register(route)
        removed = False
        await asyncio.sleep(0)
        live_router().unregister(route)
        removed = True
        await asyncio.sleep(0)
    return Changed(routes=route_count(), late=late)


router: Router[Context] = Router(
    [
        *project_router.routes,
        Route(Wait, wait),
        Route(Open, open_gate),
        Route(CountWaiting, count_waiting),
        Route(Fail, fail),
        Route(ShowContext, show_context),
        *failing_routes.ROUTES,
        Route(Serve, served_by("first")),
        Route(Serve, served_by("second")),
        Route(AddRoute, add_route),
        Route(DropRoute, drop_route),
        Route(TakeOver, take_over),
        Route(Churn, churn),
    ],
    events=project_router.events,
    signals=project_router.signals,
)
