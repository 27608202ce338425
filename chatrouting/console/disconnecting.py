"""An operator closes sockets."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chatrouting.connections.models import Connection
from chatrouting.stream.doorbell import Dismissal, ring_dismissal_now
from routing_core.closing import CloseCode

logger = logging.getLogger(__name__)

# Seconds from one ring to the next: a process that lost its subscriptions hears none until it has them again.
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
NOT_YET = "not yet: the process has not answered. Try again."


@dataclass(frozen=True, slots=True)
class Disconnected:
    """How many sockets are `closed`, and how many are `open` still as far as is known."""

    closed: int
    open: int


def disconnect(connections: Iterable[Connection], by: str) -> Disconnected:
    """Close these sockets with 4004, in whatever process they are, and wait up to 1.6 s until they are.

    The row of a socket is gone as soon as its process has closed it; until then it is told again. `by` names
    who did it, for the log. Raises what the channel layer's backend raises.
    """
    found = {connection.pk: connection for connection in connections}
    _log(found.values(), by)
    still = found
    for pause in PAUSES:
        if not still:
            break
        _ring(still.values())
        time.sleep(pause)
        still = Connection.objects.in_bulk(still)
    return Disconnected(len(found) - len(still), len(still))


def _log(connections: Iterable[Connection], by: str) -> None:
    for user_id, ids in _of_users(connections).items():
        logger.info("%s disconnects %s of user %s", by, ", ".join(ids), user_id)


def _ring(connections: Iterable[Connection]) -> None:
    for user_id, ids in _of_users(connections).items():
        ring_dismissal_now(user_id, Dismissal(CloseCode.DISCONNECTED, connection_ids=tuple(ids)))


def _of_users(connections: Iterable[Connection]) -> dict[str, list[str]]:
    """The ids of each user's."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for connection in connections:
        found[str(connection.user_id)].append(str(connection.pk))
    return found
