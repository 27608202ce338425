"""What stands between the router and a handler: functions, listed in order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from routing_core.messages import Message

C = TypeVar("C")

Next: TypeAlias = Callable[[C, Message], Awaitable[Message | None]]
Middleware: TypeAlias = Callable[[C, Message, Next[C]], Awaitable[Message | None]]


def compose(middleware: Sequence[Middleware[C]], handler: Next[C]) -> Next[C]:
    """The handler with the middleware around it, the first one outermost."""
    for layer in reversed(middleware):
        handler = _wrap(layer, handler)
    return handler


def _wrap(layer: Middleware[C], call_next: Next[C]) -> Next[C]:
    async def call(ctx: C, message: Message) -> Message | None:
        return await layer(ctx, message, call_next)

    return call
