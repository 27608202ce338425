"""What stands before a handler that fails again and again."""

import math

from chatrouting.chat.context import Context
from chatrouting.connections.breakers import breakers
from routing_core.breaker import Call, Outcome
from routing_core.errors import CircuitOpen, HandlerTimeout, Internal, RoutingError
from routing_core.messages import Message
from routing_core.middleware import Next

FAILURES = (HandlerTimeout, Internal)


async def guard(ctx: Context, message: Message, call_next: Next[Context]) -> Message | None:
    """A route that fails again and again is shut for a while. Where none of late failed this asks nobody."""
    route, circuits = message.type, breakers()
    circuits.listen()
    if route in circuits:
        wait = await circuits.enter(route, _call(ctx))
        if wait:
            raise CircuitOpen(retry_after_ms=math.ceil(wait * 1000))
    outcome = Outcome.NOTHING
    try:
        reply = await call_next(ctx, message)
        outcome = Outcome.SUCCESS
        return reply
    except Exception as error:
        outcome = _said_by(error)
        raise
    finally:
        if outcome is Outcome.FAILURE or route in circuits:
            circuits.leave(route, _call(ctx), outcome)


def _call(ctx: Context) -> Call:
    return Call(ctx.user.id, f"{ctx.connection_id}:{ctx.request.trace_id}")


def _said_by(error: Exception) -> Outcome:
    """Only a fault of the handler says that it fails: not the client's mistakes, nor an outage of what all use."""
    fault = isinstance(error, FAILURES) or not isinstance(error, RoutingError)
    return Outcome.FAILURE if fault else Outcome.NOTHING
