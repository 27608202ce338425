"""Streams of nobody in particular: a fresh id has an empty stream."""

import uuid
from collections.abc import Sequence

from chatrouting.conf import ChatSettings, chat_settings
from chatrouting.stream.log import Append, EventLog, Record
from chatrouting.stream.valkey import Valkey, valkey


def new_id() -> str:
    """An id that nobody has."""
    return uuid.uuid4().hex


def log_of(client: Valkey | None = None, conf: ChatSettings | None = None) -> EventLog:
    """The log on this client, or on the one of this loop."""
    return EventLog(client or valkey(), conf or chat_settings())


def body(text: str = "x") -> bytes:
    """The body of an event, as `encode_event` makes one."""
    return b'{"type":"t","payload":{"text":"%s"}}' % text.encode()


async def fill(log: EventLog, user_id: str, count: int) -> list[Record]:
    """Append so many events, one after another."""
    return [(await log.append([Append(user_id, body(str(n)))]))[0] for n in range(1, count + 1)]


def seqs(records: Sequence[Record]) -> list[int]:
    """Their places."""
    return [record.seq for record in records]


def meta_key(user_id: str) -> str:
    """Where a stream's epoch and counter are kept."""
    return f"{{u:{user_id}}}:meta"


def stream_key(user_id: str) -> str:
    """Where a stream's events are kept."""
    return f"{{u:{user_id}}}:stream"
