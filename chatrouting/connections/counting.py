"""The observer behind `/metrics`: every message is counted once it is over."""

import functools

from prometheus_client import Counter, Histogram

from chatrouting import counters
from routing_core.errors import HandlerTimeout, Internal, UnknownType
from routing_core.observing import Observation, Outcome

FAILURES = (Internal, HandlerTimeout)
NO_ROUTE = ""  # the label where no route was found: what a client made up is no label


def count(seen: Observation) -> None:
    """Count what became of a message. What could not be sent is no success, whatever it was."""
    kind = NO_ROUTE if seen.type is None else seen.type
    if seen.outcome is Outcome.ANSWERED:
        _routed(kind).inc()
    elif seen.outcome is Outcome.UNSENT:
        counters.messages_unsent.labels(kind).inc()
    if seen.type is not None:
        _seconds(kind).observe(seen.seconds)
    if seen.error is not None:
        _count_refusal(seen, kind)


def _count_refusal(seen: Observation, kind: str) -> None:
    if seen.error is not None:
        counters.messages_refused.labels(seen.error.code).inc()
    if isinstance(seen.error, UnknownType):
        counters.messages_unhandled.inc()
    if isinstance(seen.error, FAILURES):
        counters.messages_failed.labels(kind).inc()
    if seen.forged:
        counters.messages_forged.inc()


# Looking a series up costs as much as counting in it; there are as many as there are types.
@functools.cache
def _routed(kind: str) -> Counter:
    return counters.messages_routed.labels(kind)


@functools.cache
def _seconds(kind: str) -> Histogram:
    return counters.message_seconds.labels(kind)
