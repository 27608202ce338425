"""Handlers: is the other side there, is anything missing, and which events it wants."""

from msgspec import UNSET

from chatrouting.chat.context import Context
from chatrouting.connections.live import live_connections
from chatrouting.connections.messages import (
    Heartbeat,
    HeartbeatAck,
    Ping,
    Pong,
    Subscribe,
    Subscribed,
)
from chatrouting.stream.publishing import event_log
from routing_core.errors import Overloaded


async def ping(ctx: Context, message: Ping) -> Pong:
    """Tell the top of the stream; where the socket is behind it, send what is missing."""
    top = await event_log().top(ctx.user.id)
    connection = live_connections().find(ctx.connection_id)
    if connection is None:
        return Pong(seq=top.seq)
    skipped_to = connection.delivery.skipped_to
    connection.delivery.hear_top(top)
    return Pong(seq=top.seq, skipped_to=UNSET if skipped_to is None else skipped_to)


async def heartbeat(ctx: Context, message: Heartbeat) -> HeartbeatAck:
    """Answer, nothing else."""
    return HeartbeatAck()


async def subscribe(ctx: Context, message: Subscribe) -> Subscribed:
    """Send this socket events of these types only, from now on."""
    connection = live_connections().find(ctx.connection_id)
    if connection is None:  # it ends while this is served: nobody hears the answer
        raise Overloaded("The connection is closing.")
    types = None if message.types is None else frozenset(message.types)
    connection.delivery.select(types)
    return Subscribed()
