"""The dispatcher of the chat: the router with what stands before every handler."""

import asyncio
import logging
import secrets
from typing import Any

from django.db import InterfaceError, OperationalError
from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from chatrouting.chat.context import Context
from chatrouting.conf import chat_settings
from routing_core.dispatch import Dispatcher
from routing_core.envelope import Envelope
from routing_core.errors import HandlerTimeout, Overloaded, RoutingError
from routing_core.messages import Message
from routing_core.middleware import Next
from routing_core.router import Router

logger = logging.getLogger(__name__)

OUTAGE_RETRY_MS = 2_000
TIMEOUT_RETRY_MS = 1_000


async def limit_time(ctx: Context, message: Message, call_next: Next[Context]) -> Message | None:
    """No handler takes longer than its limit; what it still does after is not heard."""
    try:
        async with asyncio.timeout(chat_settings().handler_seconds):
            return await call_next(ctx, message)
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
    """Write the error with its trace id into the log; what is not the client's doing, with its cause."""
    kind = envelope.type[:64] if envelope else "?"
    if not isinstance(error, RoutingError) or error.__cause__ is not None:
        logger.error("trace %s: message %r failed", trace_id, kind, exc_info=error)
    else:
        text = str(error)  # may quote the client, so it is shown as one line
        logger.info("trace %s: message %r refused as %s: %r", trace_id, kind, error.code, text)


def chat_dispatcher() -> Dispatcher[Context]:
    """The dispatcher of the router that the settings name."""
    conf = chat_settings()
    router: Router[Any] = import_string(conf.router)
    return Dispatcher(
        router,
        frame_bytes=conf.frame_bytes,
        new_trace_id=lambda: secrets.token_hex(8),
        report=report,
        middleware=(limit_time, explain_outage),
    )
