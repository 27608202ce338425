"""The rules of a stream and of a run, as checks on the events that a client received."""

from collections.abc import Iterable, Sequence

from chatrouting.testing.frames import Frame

BEFORE_THE_START = {"run_queued", "agent_error", "agent_completed"}
REFUSED = {"denied", "interrupted"}


def check_stream(events: Iterable[Frame], *, after: int) -> None:
    """Every event follows the one before it, the first of them the position `after`.

    Raises `AssertionError` that names the place.
    """
    last = after
    for event in events:
        follows = event["seq"] == last + 1
        skipped = event.get("skipped_to") == event["seq"] - 1 and event["seq"] > last
        assert follows or skipped, f"seq {event['seq']} follows {last}: {event}"
        last = event["seq"]


def check_run(events: Sequence[Frame], *, killed: bool = False) -> None:
    """The events of one whole run, from the first to `agent_completed`, keep the rules of a run.

    `killed`: workers were, so that one may have claimed the run and told nothing: its attempt is left out.
    Raises `AssertionError` that names the rule and shows the types in order.
    """
    try:
        _RunOrder(killed).follow(events)
    except AssertionError as error:
        shown = " ".join(f"{event['seq']}:{event['type']}" for event in events)
        raise AssertionError(f"{error}\nin {shown}") from None


class _RunOrder:
    """What has been seen of a run so far."""

    def __init__(self, killed: bool) -> None:
        self.killed = killed
        self.attempt = 0
        self.text = ""
        self.open: dict[str, str] = {}
        self.ended: set[str] = set()
        self.asked: set[str] = set()
        self.resolved: dict[str, str] = {}
        self.errors = 0
        self.completed = False

    def follow(self, events: Sequence[Frame]) -> None:
        assert events, "no events"
        runs = {(event.get("run_id"), event.get("thread_id")) for event in events}
        assert len(runs) == 1 and None not in next(iter(runs)), f"more than one run: {runs}"
        for event in events:
            self._take(event)
        assert self.completed, "agent_completed is missing"

    def _take(self, event: Frame) -> None:
        kind = event["type"]
        assert not self.completed, f"{kind} after agent_completed"
        assert self.attempt or kind in BEFORE_THE_START | {"agent_started"}, (
            f"{kind} before the start"
        )
        step = getattr(self, f"_{kind}", None)
        if step is not None:
            step(event["payload"])

    def _run_queued(self, payload: Frame) -> None:
        assert self.attempt == 0, "run_queued after agent_started"
        assert payload["position"] >= 1, f"position {payload['position']} in the queue"

    def _agent_started(self, payload: Frame) -> None:
        told, after = payload["attempt"], self.attempt + 1
        assert told == after or (self.killed and told > after), f"attempt {told} is not the next"
        self.attempt, self.text = told, ""

    def _tool_executing(self, payload: Frame) -> None:
        call = payload["call_id"]
        assert call not in self.open and call not in self.ended, f"call {call} twice"
        self.open[call] = payload["tool"]

    def _tool_completed(self, payload: Frame) -> None:
        call = payload["call_id"]
        assert self.open.pop(call, None) == payload["tool"], f"{call} ends a call that is not open"
        self.ended.add(call)
        undecided = call in self.asked and call not in self.resolved
        assert not undecided, f"{call} ends without a decision"
        refused = self.resolved.get(call) == "deny"
        assert not refused or payload["status"] in REFUSED, (
            f"{call} was denied: {payload['status']}"
        )
        failed = payload["status"] != "ok"
        assert failed == ("error" in payload), f"status {payload['status']}, error: {payload}"
        assert failed != ("result" in payload), f"status {payload['status']}, result: {payload}"

    def _approval_required(self, payload: Frame) -> None:
        call = payload["call_id"]
        assert self.open.get(call) == payload["tool"], f"{call} is asked about and not open"
        assert call not in self.asked, f"{call} is asked about twice"
        self.asked.add(call)

    def _approval_resolved(self, payload: Frame) -> None:
        call = payload["call_id"]
        assert call in self.asked and call in self.open, (
            f"{call} is resolved and was not asked about"
        )
        assert call not in self.resolved, f"{call} is resolved twice"
        self.resolved[call] = payload["decision"]

    def _agent_delta(self, payload: Frame) -> None:
        assert payload["text"], "an empty delta"
        written = len(self.text)
        assert payload["position"] == written, f"delta at {payload['position']}, not at {written}"
        self.text += payload["text"]

    def _agent_error(self, payload: Frame) -> None:
        self.errors += 1

    def _agent_completed(self, payload: Frame) -> None:
        self.completed = True
        assert not self.open, f"calls without an end: {sorted(self.open)}"
        told, last = payload["attempt"], self.attempt
        assert told == last or (self.killed and told > last), f"attempt {told} in the end"
        if payload["content"] is not None:
            assert payload["content"] == self.text, "content is not what the deltas say"
        failed = payload["outcome"] == "failed"
        assert not failed or self.errors == 1, f"failed with {self.errors} agent_error"
