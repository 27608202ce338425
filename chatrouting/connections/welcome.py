"""The beginning of a connection: what the client has seen, and what it is told first."""

from typing import Any
from urllib.parse import parse_qs

from django.utils import timezone

from chatrouting.chat.context import Context
from chatrouting.conf import chat_settings
from chatrouting.connections.messages import Limits, Welcome
from chatrouting.connections.models import Connection
from chatrouting.connections.sessions import SignedIn
from chatrouting.stream.delivery import Delivery, Position
from routing_core.envelope import timestamp

PROTOCOL = 1
USER_AGENT_CHARACTERS = 300


def describe(row: Connection, found: SignedIn, scope: Any) -> None:
    """Write into a socket's row whose it is and where it comes from."""
    headers = dict(scope["headers"])
    client = scope.get("client") or (None, 0)
    row.user_id = found.person.id
    row.session_digest = found.digest
    row.address = client[0]
    row.user_agent = headers.get(b"user-agent", b"").decode("latin1")[:USER_AGENT_CHARACTERS]
    row.opened_at = row.seen_at = timezone.now()


def asked_position(query_string: bytes) -> Position | None:
    """The position a client says it has seen; None where it asks for none."""
    query = parse_qs(query_string.decode("latin1"), keep_blank_values=True)
    if "epoch" not in query and "seq" not in query:
        return None
    epoch, seq = query.get("epoch", [""])[0], query.get("seq", [""])[0]
    usable = epoch and seq.isascii() and seq.isdigit() and len(seq) <= 15
    return Position(epoch, int(seq)) if usable else Position("", 0)


def welcome(ctx: Context, delivery: Delivery, recovered: bool | None) -> Welcome:
    """The first frame of a socket whose place in the stream is taken."""
    conf = chat_settings()
    limits = {name: getattr(conf, name) for name in Limits.__struct_fields__}
    return Welcome(
        protocol=PROTOCOL,
        connection_id=ctx.connection_id,
        user_id=ctx.user.id,
        epoch=delivery.cursor.epoch,
        seq=delivery.top,
        recovered=recovered,
        heartbeat_seconds=conf.heartbeat_seconds,
        limits=Limits(**limits),
        server_time=timestamp(timezone.now()),
    )
