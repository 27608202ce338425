"""An operator closes sockets."""

import logging
from collections import defaultdict
from collections.abc import Iterable

from chatrouting.connections.models import Connection
from chatrouting.stream.doorbell import Dismissal, ring_dismissal_now
from routing_core.closing import CloseCode

logger = logging.getLogger(__name__)


def disconnect(connections: Iterable[Connection], by: str) -> int:
    """Close these sockets with 4004, in whatever process they are. Returns how many were told.

    `by` names who did it, for the log. Raises what the channel layer's backend raises.
    """
    of_user: defaultdict[str, list[str]] = defaultdict(list)
    for connection in connections:
        of_user[str(connection.user_id)].append(str(connection.pk))
    for user_id, ids in of_user.items():
        logger.info("%s disconnects %s of user %s", by, ", ".join(ids), user_id)
        dismissal = Dismissal(CloseCode.DISCONNECTED, connection_ids=tuple(ids))
        ring_dismissal_now(user_id, dismissal)
    return sum(map(len, of_user.values()))
