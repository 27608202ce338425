"""Who stands around every handler, and who is told of every message: both say in the log what they see."""

import logging

logger = logging.getLogger(__name__)


async def surround(ctx, message, call_next):
    """A middleware."""
    reply = await call_next(ctx, message)
    logger.info("around %s %s", ctx.request.trace_id, message.type)
    return reply


def observe(seen):
    """An observer."""
    logger.info("over %s %s %s", seen.trace_id, seen.type, seen.outcome)
