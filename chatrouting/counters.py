"""What this process counts, for `/metrics`. Importable from every room."""

from prometheus_client import Counter, Gauge

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
    "chatrouting_messages_routed", "Messages that a handler answered, by type.", ["type"]
)
messages_refused = Counter(
    "chatrouting_messages_refused", "Messages that were answered by an error, by code.", ["code"]
)
frames_unsent = Counter(
    "chatrouting_frames_unsent", "Frames for sockets that were closed or did not take them."
)
events_published = Counter(
    "chatrouting_events_published", "Events that were given a seq, by type.", ["type"]
)
events_delivered = Counter("chatrouting_events_delivered", "Events that were written to a socket.")
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
runs_ended = Counter("chatrouting_runs_ended", "Runs ended here, by outcome.", ["outcome"])
