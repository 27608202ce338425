"""Who may open a socket: an address that does not come too often, with a session that is good."""

import asyncio
import functools
from typing import Any

from chatrouting import counters
from chatrouting.batches import Batches
from chatrouting.chat.attempts import network_of
from chatrouting.conf import chat_settings
from chatrouting.connections.sessions import SignedIn, read_together, session_key, signed_in
from chatrouting.database import in_database
from chatrouting.stream.loops import PerLoop
from routing_core.closing import CloseCode
from routing_core.limits import Pace, Rate

_sign_ins: PerLoop[Batches[str, SignedIn]] = PerLoop(
    lambda: Batches(signed_in, to_all=True, seconds=chat_settings().database_seconds)
)


@functools.cache
def _handshakes() -> Pace:
    """Those of this process, by address."""
    conf = chat_settings()
    return Pace(Rate(conf.handshakes_per_minute / 60, conf.handshakes_per_minute))


async def received(scope: Any) -> SignedIn | CloseCode:
    """Whose socket this is, or the code it is closed with. Who comes too often costs no query.

    Sockets without an address, which came by a unix socket, share none.
    """
    client = scope.get("client")
    now = asyncio.get_running_loop().time()
    if client and not _handshakes().take(network_of(str(client[0])), now):
        counters.connections_refused.labels("rate").inc()
        return CloseCode.RATE
    key = session_key(dict(scope["headers"]))
    found = None if key is None else await _signed_in(key)
    if found is None:
        counters.connections_refused.labels("session").inc()
        return CloseCode.NO_SESSION
    return found


async def _signed_in(key: str) -> SignedIn | None:
    """Whose session it is. After a deploy all come at once: those that wait meanwhile are read together."""
    if read_together():
        return await _sign_ins.here.call(key)
    return (await in_database(signed_in, [key])).get(key)
