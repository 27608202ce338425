"""Handlers: is the other side there, and is anything missing."""

from chatrouting.chat.context import Context
from chatrouting.connections.messages import Heartbeat, HeartbeatAck, Ping, Pong
from chatrouting.stream.publishing import event_log


async def ping(ctx: Context, message: Ping) -> Pong:
    """Tell the top of the stream."""
    page = await event_log().read(ctx.user.id, "", 0)
    return Pong(seq=page.top)


async def heartbeat(ctx: Context, message: Heartbeat) -> HeartbeatAck:
    """Answer, nothing else."""
    return HeartbeatAck()
