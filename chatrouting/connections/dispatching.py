"""The dispatcher of the chat: the router with what stands before every handler."""

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from typing import Any, cast

from django.db import InterfaceError, OperationalError
from django.utils.module_loading import import_string
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from chatrouting.chat.context import Context
from chatrouting.conf import chat_settings
from chatrouting.connections.counting import count
from chatrouting.connections.guard import guard
from chatrouting.connections.stepping import Waits, begin
from routing_core.dispatch import Dispatcher, Surroundings
from routing_core.envelope import Envelope
from routing_core.errors import HandlerTimeout, Overloaded, RoutingError
from routing_core.live import live_router
from routing_core.messages import Message
from routing_core.middleware import Middleware, Next
from routing_core.observing import Observer

logger = logging.getLogger(__name__)

OUTAGE_RETRY_MS = 2_000
TIMEOUT_RETRY_MS = 1_000
APART = 0.01  # of a handler's time: 0.05 s of five


async def limit_time(ctx: Context, message: Message, call_next: Next[Context]) -> Message | None:
    """No handler takes longer than its limit; what it still does after is not heard.

    A timer costs as much as a short handler: there is one from where a handler first waits. Those that
    began together end some moments apart, so that nobody else has to wait for all their ends.
    """
    deadline = asyncio.get_running_loop().time() + chat_settings().handler_seconds
    try:
        # What stands around a handler is a coroutine: `compose` makes it, of `explain_outage` here.
        begun = begin(cast(Coroutine[Any, Any, Message | None], call_next(ctx, message)))
        if not isinstance(begun, Waits):
            return begun
        apart = random.uniform(0, APART * chat_settings().handler_seconds)  # noqa: S311 - reason: only spreads load
        async with asyncio.timeout_at(deadline + apart):
            return await begun.done()
    except TimeoutError as error:
        raise HandlerTimeout(retry_after_ms=TIMEOUT_RETRY_MS) from error


async def explain_outage(
    ctx: Context, message: Message, call_next: Next[Context]
) -> Message | None:
    """A database or a Valkey that does not answer is no fault of the message: say when to come again."""
    try:
        return await call_next(ctx, message)
    except (RedisError, OperationalError, InterfaceError) as error:
        raise Overloaded(retry_after_ms=OUTAGE_RETRY_MS) from error


def report(error: Exception, trace_id: str, envelope: Envelope | None) -> None:
    """Write the error with its trace id into the log, on one line where it was foreseen.

    What nobody foresaw comes with its traceback. No text that may quote the client is in it, but at `DEBUG`.
    """
    kind = envelope.type[:64] if envelope else "?"
    with bound_contextvars(trace_id=trace_id):
        if not isinstance(error, RoutingError):
            logger.error("trace %s: message %r failed", trace_id, kind, exc_info=error)
        elif error.__cause__ is not None:
            cause = repr(error.__cause__)
            logger.warning("trace %s: message %r got %s: %s", trace_id, kind, error.code, cause)
        else:
            field = (error.field or "")[:64]
            logger.info("trace %s: message %r got %s %r", trace_id, kind, error.code, field)
            logger.debug("trace %s: %r", trace_id, str(error))


def trace_id() -> str:
    """A name for a message in the log: 64 random bits. No secret, so they may be cheap ones."""
    return f"{random.getrandbits(64):016x}"


# What stands around every handler, the first one outermost, and who is told of every message.
MIDDLEWARE: tuple[Middleware[Context], ...] = (guard, limit_time, explain_outage)
OBSERVERS: tuple[Observer, ...] = (count,)
SURROUNDINGS = Surroundings(trace_id, time.perf_counter, report)


def chat_dispatcher() -> Dispatcher[Context]:
    """The dispatcher of the table that the settings name, with the middleware and observers they add."""
    conf = chat_settings()
    return Dispatcher(
        live_router().current,
        SURROUNDINGS,
        frame_bytes=conf.frame_bytes,
        middleware=(*MIDDLEWARE, *map(import_string, conf.middleware)),
        observers=(*OBSERVERS, *map(import_string, conf.observers)),
    )
