"""What this process counts, for `/metrics`. Importable from every room."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Tally(Collector):
    """A counter that only the event loop's thread adds to: a lock for each delivery would cost a sixth of it."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name, self._documentation = name, documentation
        self._count = 0
        REGISTRY.register(self)

    def inc(self, count: int) -> None:
        """So many more."""
        self._count += count

    def collect(self) -> Iterator[CounterMetricFamily]:
        """prometheus_client: as it is shown."""
        yield CounterMetricFamily(self._name, self._documentation, value=self._count)


connections_opened = Counter("chatrouting_connections_opened", "Sockets that were welcomed.")
connections_closed = Counter(
    "chatrouting_connections_closed", "Sockets that ended, by close code.", ["code"]
)
connections_active = Gauge("chatrouting_connections_active", "Sockets open in this process.")
connections_refused = Counter(
    "chatrouting_connections_refused", "Sockets that were never welcomed, by reason.", ["reason"]
)
sign_ins_refused = Counter(
    "chatrouting_sign_ins_refused", "Sign-ins refused because too many had failed before."
)
messages_routed = Counter(
    "chatrouting_messages_routed", "Messages whose reply was sent, by type.", ["type"]
)
messages_refused = Counter(
    "chatrouting_messages_refused", "Messages that were answered by an error, by code.", ["code"]
)
messages_unhandled = Counter(
    "chatrouting_messages_unhandled", "Messages of a type that no route serves."
)
messages_failed = Counter(
    "chatrouting_messages_failed",
    "Messages whose handler failed or took too long, by type.",
    ["type"],
)
messages_unsent = Counter(
    "chatrouting_messages_unsent", "Messages whose answer could not be sent, by type.", ["type"]
)
messages_forged = Counter(
    "chatrouting_messages_forged", "Messages that were refused and tried to name a user."
)
message_seconds = Histogram(
    "chatrouting_message_seconds",
    "From when a message's turn came until its answer was sent, by type.",
    ["type"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
breaker_state = Gauge(
    "chatrouting_breaker_state",
    "The breaker of a type, as this process knows it: 0 closed, 1 open, 2 half-open.",
    ["type"],
)
frames_unsent = Counter(
    "chatrouting_frames_unsent", "Frames for sockets that were closed or did not take them."
)
events_published = Counter(
    "chatrouting_events_published", "Events that were given a seq, by type.", ["type"]
)
events_delivered = Tally("chatrouting_events_delivered", "Events that were written to a socket.")
events_recovered = Counter(
    "chatrouting_events_recovered", "Events that a socket read from the log, by reason.", ["reason"]
)
events_lost = Counter(
    "chatrouting_events_lost",
    "Events that could not be published or delivered, by cause.",
    ["cause"],
)
events_filtered = Counter(
    "chatrouting_events_filtered", "Events that a socket had not subscribed to."
)
signals_dropped = Counter(
    "chatrouting_signals_dropped", "Signals that were not sent for want of time, by type.", ["type"]
)
resumes = Counter("chatrouting_resumes", "Resumes asked for, by what they got.", ["recovered"])
runs_started = Counter("chatrouting_runs_started", "Attempts of runs begun here.")
runs_retried = Counter(
    "chatrouting_runs_retried", "Attempts that failed in a way that may pass, and are made again."
)
runs_ended = Counter("chatrouting_runs_ended", "Runs ended here, by outcome.", ["outcome"])
