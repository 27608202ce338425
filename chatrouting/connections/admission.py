"""What a message passes before it is looked at: its sender's rate, and the room this process has."""

import functools
import math

from structlog.contextvars import bind_contextvars

from chatrouting.chat.context import Context
from chatrouting.conf import chat_settings
from chatrouting.connections.rates import rates
from chatrouting.connections.refusals import Refusals
from routing_core.dispatch import Answer, Dispatcher, Incoming
from routing_core.errors import Overloaded, RateLimited
from routing_core.limits import Room

OVERLOAD_RETRY_MS = 1_000


@functools.cache
def handler_room() -> Room:
    """The handlers at work in this process."""
    return Room(chat_settings().handlers_waiting)


def turned_away(ctx: Context, incoming: Incoming[Context], refusals: Refusals) -> Answer | None:
    """The refusal of a message whose sender is known to be over their rate; None where it is to be admitted."""
    wait = rates().refused(ctx.user.id)
    return _rate_limited(wait, incoming, refusals) if wait else None


async def admit(
    dispatcher: Dispatcher[Context],
    ctx: Context,
    incoming: Incoming[Context],
    refusals: Refusals,
) -> Answer:
    """Serve the message, or say when to come again. What is answered at once is neither counted nor refused."""
    if incoming.immediate:
        return await dispatcher.serve(ctx, incoming)
    bind_contextvars(trace_id=incoming.trace_id)
    if not rates().spend(ctx.user.id):
        refused = await _limited(dispatcher, ctx, incoming, refusals)
        if refused is not None:
            return refused
    if not handler_room().enter(priority=ctx.priority):
        return refusals.refuse(incoming, Overloaded(retry_after_ms=OVERLOAD_RETRY_MS))
    try:
        return await dispatcher.serve(ctx, incoming)
    finally:
        handler_room().leave()


async def _limited(
    dispatcher: Dispatcher[Context],
    ctx: Context,
    incoming: Incoming[Context],
    refusals: Refusals,
) -> Answer | None:
    """The refusal of a message whose sender is over their rate. Raises nothing, as the dispatcher."""
    try:
        wait = await rates().wait(ctx.user.id)
    except Exception as error:  # noqa: BLE001 - reason: an edge: the sender gets one error, as of a handler
        return dispatcher.refuse(incoming, error)
    except BaseException:  # cancelled with its socket: nobody hears an answer
        dispatcher.abandon(incoming)
        raise
    return _rate_limited(wait, incoming, refusals) if wait else None


def _rate_limited(wait: float, incoming: Incoming[Context], refusals: Refusals) -> Answer:
    return refusals.refuse(incoming, RateLimited(retry_after_ms=math.ceil(wait * 1000)))
