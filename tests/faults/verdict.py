"""Once all is quiet: what the database and the streams hold against what arrived."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.database import in_database
from chatrouting.stream.publishing import event_log
from chatrouting.testing.frames import Frame
from chatrouting.threads.models import ThreadMessage
from routing_core.envelope import event_frame
from tests.faults.crowd import Crowd, User
from tests.faults.ledger import Segment

MUST_BE_ZERO = ("lost", "doubled", "crossed", "refused", "closed")
AFTERWARDS_SECONDS = 1.0


def unfinished(crowd: Crowd) -> list[str]:
    """Runs that were accepted and have not ended, or whose end is not told yet."""
    people = [user.person.user_id for user in crowd.users]
    runs = Run.objects.filter(user_id__in=people)
    late = runs.exclude(status=RunStatus.COMPLETED, end_published_at__isnull=False)
    return [f"{run.pk} {run.status} {run.outcome} at {run.worker or 'no worker'}" for run in late]


async def is_over(crowd: Crowd) -> bool:
    """Whether every run has ended, and its end is told."""
    return not await in_database(unfinished, crowd)


def check_rows(user: User) -> None:
    """Everything accepted is in the database once, with its answer, and nothing else is."""
    asked = ThreadMessage.objects.filter(
        author_id=user.person.user_id, role=ThreadMessage.Role.USER
    ).select_related("asked_run__answer")
    times = Counter(question.client_id for question in asked)
    for id in user.said:
        if times[id] != 1:
            user.ledger.blame("lost" if not times[id] else "doubled", f"message {id}: {times[id]}")
    for question in asked:
        run = question.asked_run
        said = run.answer.content if run.answer else ""
        if run.outcome == Outcome.SUCCESS and user.ledger.canary not in said:
            user.ledger.blame("lost", f"the answer of {run.pk} is {said!r}")
        if run.outcome not in (Outcome.SUCCESS, Outcome.LOST):
            user.ledger.blame("refused", f"run {run.pk} ended {run.outcome} {run.error_code}")


async def kept(user_id: str) -> tuple[str, list[Frame]]:
    """The epoch of a stream and all that it keeps."""
    log = event_log()
    page = await log.read(user_id, "", 0)
    epoch, seq, events = page.epoch, 0, []
    while (page := await log.read(user_id, epoch, seq)).records:
        events += [json.loads(event_frame(record.body, record.seq)) for record in page.records]
        seq = page.records[-1].seq
    return epoch, events


async def is_whole(crowd: Crowd) -> bool:
    """Whether each device has come to the end of its stream."""
    tops = await event_log().tops([user.person.user_id for user in crowd.users])
    return all(
        device.segment and (device.segment.epoch, device.segment.seq) == (top.epoch, top.seq)
        for user, top in zip(crowd.users, tops, strict=True)
        for device in user.devices
    )


async def check_stream(user: User) -> None:
    """Every device has what the stream keeps, from where it began."""
    epoch, events = await kept(user.person.user_id)
    for device in user.devices:
        user.ledger.close(device.segment or Segment("", 0), epoch, events)


@dataclass
class Report:
    """The figures of a run. `windows` are the times in which a fault was at work."""

    kinds: Counter[str] = field(default_factory=Counter)
    windows: list[tuple[float, float]] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    def disturbed(self, at: float) -> bool:
        """Whether a fault was at work at this moment, or shortly before."""
        return any(begin <= at <= end + AFTERWARDS_SECONDS for begin, end in self.windows)

    def lines(self, crowd: Crowd, tracebacks: Sequence[str]) -> Iterator[str]:
        """The report, a line each."""
        ledgers = [user.ledger for user in crowd.users]
        wrong = sum((ledger.wrong for ledger in ledgers), Counter())
        yield f"faults: {', '.join(f'{kind} {n}' for kind, n in sorted(self.kinds.items()))}"
        yield (
            f"{time.time() - self.began:.0f} s, {len(crowd.users)} users,"
            f" {len(crowd.devices)} devices, {sum(len(user.said) for user in crowd.users)} messages"
        )
        yield (
            f"events: published {sum(len(ledger.bodies) for ledger in ledgers)},"
            f" delivered {sum(ledger.delivered for ledger in ledgers)},"
            f" recovered {sum(ledger.recovered for ledger in ledgers)},"
            + "".join(f" {what} {wrong[what]}" for what in MUST_BE_ZERO)
        )
        closes = sum((device.closes for device in crowd.devices), Counter())
        yield f"closes: {', '.join(f'{code} {n}' for code, n in sorted(closes.items()))}"
        calm = [
            took
            for device in crowd.devices
            for at, took in device.latencies
            if not self.disturbed(at)
        ]
        yield f"undisturbed: {len(calm)} deliveries, p99 {_percentile(calm) * 1000:.0f} ms"
        counted = Counter(line[:120] for line in tracebacks)
        yield from (f"in the logs {times}x: {line}" for line, times in counted.most_common(8))

    def failed(self, crowd: Crowd) -> list[str]:
        """What must not be, in words."""
        return [line for user in crowd.users for line in user.ledger.shown]


def _percentile(values: Sequence[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] if values else 0.0
