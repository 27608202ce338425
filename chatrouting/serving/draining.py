"""How a web process ends, whatever serves it: sockets are told and cleaned up before the process goes."""

import asyncio
import logging

from chatrouting.agents.queue import run_queue
from chatrouting.conf import chat_settings
from chatrouting.connections.live import live_connections
from chatrouting.serving.exiting import exit_after
from chatrouting.stream.doorbell import channel_layer
from chatrouting.stream.valkey import close_valkey

logger = logging.getLogger(__name__)

MARGIN_SECONDS = 8.0
EXIT_SECONDS = 2.0  # beside both: for pages under way, the server's end, threads in the database


def begin_drain() -> None:
    """Take no further socket: `/readyz` says so, and what connects is sent elsewhere. `drain` is to follow.

    From here on the time runs in which the process is to end.
    """
    live_connections().draining = True
    exit_after(chat_settings().drain_seconds + MARGIN_SECONDS + EXIT_SECONDS)


async def drain() -> None:
    """Close every socket over the time that the settings give, then what this process holds open.

    Bounded: what does not end in time is left to the end of the process.
    """
    seconds = chat_settings().drain_seconds
    try:
        async with asyncio.timeout(seconds + MARGIN_SECONDS):
            await live_connections().drain(seconds)
            await run_queue().close()
            await channel_layer().flush()
            await close_valkey()
    except Exception:  # an edge: the process ends in any case, and says what went wrong
        logger.exception("the server did not end in order")
