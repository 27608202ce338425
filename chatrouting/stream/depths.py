"""How much of users' streams is kept, as an operator looks at it: nothing is begun or dropped by that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError

from chatrouting.stream.log import key_of


@dataclass(frozen=True, slots=True)
class Depth:
    """`seq` is where a user's stream ends; its last `events` are kept for whoever comes back.

    `damaged`: something else stands in its place, so that this user is told nothing until it is removed.
    """

    user_id: str
    seq: int
    events: int
    damaged: bool = False


def depths(client: redis.Redis, user_ids: Sequence[str]) -> list[Depth]:
    """Those of these users, in order, in one round trip. Raises redis-py's errors where Valkey does not answer.

    What another server than this one has written is not served any more, so it is no depth.
    """
    with client.pipeline(transaction=False) as asked:
        asked.info("server")
        for user_id in user_ids:
            asked.hmget(key_of(user_id, "meta"), "seq", "server")
            asked.xlen(key_of(user_id, "stream"))
        server, *found = asked.execute(raise_on_error=False)
    pairs = zip(user_ids, found[::2], found[1::2], strict=True)
    return [_depth(user_id, meta, events, server["run_id"]) for user_id, meta, events in pairs]


def _depth(user_id: str, meta: Any, events: Any, server: str) -> Depth:
    if isinstance(meta, ResponseError) or isinstance(events, ResponseError):
        return Depth(user_id, 0, 0, damaged=True)
    seq, written_by = meta
    if seq is None or written_by is None or written_by.decode() != server:
        return Depth(user_id, 0, 0)
    return Depth(user_id, int(seq), int(events))
