"""How users' streams stand: what is kept for who is away, and how far behind the sockets of the others are."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Count, Min

from chatrouting.console.living import connections_alive
from chatrouting.console.valkey import valkey_now
from chatrouting.stream.depths import depths

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StreamStanding:
    """A user's stream ends at `seq`, and its last `events` are kept.

    `behind` is how many of them the slowest of the user's `sockets` had not been sent some seconds ago; None
    where there is no socket. `damaged`: see `stream.depths`.
    """

    user_id: str
    seq: int
    events: int
    sockets: int
    behind: int | None
    damaged: bool = False

    def as_row(self) -> dict[str, Any]:
        """For other programs."""
        return asdict(self)


def standings(user_ids: Sequence[str]) -> list[StreamStanding]:
    """Those of these users, in order. Raises redis-py's errors where Valkey does not answer."""
    found: list[StreamStanding] = []
    for start in range(0, len(user_ids), AT_ONCE):
        found += _some(user_ids[start : start + AT_ONCE])
    return found


def _some(user_ids: Sequence[str]) -> list[StreamStanding]:
    connected = connections_alive().filter(user_id__in=user_ids).order_by().values_list("user_id")
    counted = connected.annotate(Count("id"), Min("position"))
    places = {str(user_id): (sockets, position) for user_id, sockets, position in counted}
    return [
        StreamStanding(
            depth.user_id,
            depth.seq,
            depth.events,
            sockets,
            _behind(depth.seq, position),
            depth.damaged,
        )
        for depth in depths(valkey_now(), user_ids)
        for sockets, position in [places.get(depth.user_id, (0, None))]
    ]


def _behind(seq: int, position: int | None) -> int | None:
    return None if position is None else max(seq - position, 0)
