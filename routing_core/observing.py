"""What is told of every message when it is over: once, whatever became of it."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from routing_core.errors import RoutingError
from routing_core.router import Route


class Outcome(StrEnum):
    """What became of a message."""

    ANSWERED = "answered"  # its reply was sent
    SILENT = "silent"  # its handler had nothing to say
    REFUSED = "refused"  # an error was sent
    UNSENT = "unsent"  # reply or error could not be sent: the socket was gone
    ABANDONED = "abandoned"  # its socket ended before there was an answer


class Observation(msgspec.Struct, frozen=True):
    """One message that is over.

    `type` is the canonical one; both it and `route` are None where no route was found. `error` is what the
    sender was told, or would have been. `seconds`: from when its turn came until its answer was sent.
    `forged`: it was refused, and a field of it named a user.
    """

    type: str | None
    route: Route[Any, Any] | None
    outcome: Outcome
    error: RoutingError | None
    seconds: float
    trace_id: str
    forged: bool = False


# Must not wait; what it raises is reported and reaches nobody else.
Observer: TypeAlias = Callable[[Observation], None]
