"""The proof that a deployment delivers: throw-away people, sockets that are cut and resume, and a count.

Events go the whole way: into the users' streams, through Valkey and the web processes, to real sockets.
Every text carries its user's mark, so that one that reaches anybody else is seen.
"""

import asyncio
import random
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from chatrouting.chat.messages import SystemMessage
from chatrouting.stream.publishing import Event, publish
from chatrouting.testing.device import Device, Shown, Site
from chatrouting.testing.people import Person


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done. `cuts` are lost sockets a second, over all; the same `seed`, the same cuts.

    `seconds`: how long everybody may take to have everything once the last event is published.
    """

    devices: int = 3
    events: int = 100
    events_per_second: float = 20.0
    cuts: float = 2.0
    seed: int = 0
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it. `latencies_ms` are of events that were not resumed, smallest first."""

    published: int
    delivered: int
    recovered: int
    lost: int
    doubled: int
    disordered: int
    crossed: int
    cuts: int
    latencies_ms: Sequence[float] = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether everybody got everything, once, in order, and nobody else's."""
        return not (self.lost or self.doubled or self.disordered or self.crossed)

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the events kept, from 0 to 1; 0 where none was measured."""
        last = len(self.latencies_ms) - 1
        return self.latencies_ms[round(last * share)] if last >= 0 else 0.0


@dataclass(slots=True)
class Stream:
    """What is published for one person, in order, with the moment of each."""

    person: Person
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    sent: dict[str, float] = field(default_factory=dict)
    top: int = 0

    async def publish(self, plan: Plan) -> None:
        """Publish all, at the plan's pace."""
        for number in range(plan.events):
            text = f"{self.mark} {number}"
            self.sent[text] = asyncio.get_running_loop().time()
            message = SystemMessage(content=text, level="info", scope="some")
            (record,) = await publish([self.person.user_id], Event(message, key=text))
            self.top = record.seq
            await asyncio.sleep(1 / plan.events_per_second)


async def verify(site: Site, people: Sequence[Person], plan: Plan) -> Report:
    """Publish to these people, cut their sockets, wait until all have all, and count.

    Raises `Refused`, and `OSError` or `websockets`' errors where the site cannot be reached at all.
    """
    streams = [Stream(person) for person in people]
    devices = {
        stream.mark: [Device(stream.person, site) for _ in range(plan.devices)]
        for stream in streams
    }
    every = [device for some in devices.values() for device in some]
    try:
        await asyncio.gather(*(device.open() for device in every))
        cutting = asyncio.create_task(_cut(every, plan), name="cutting")
        await asyncio.gather(*(stream.publish(plan) for stream in streams))
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
        with suppress(TimeoutError):  # what has not come by then is counted as lost
            async with asyncio.timeout(plan.seconds):
                for stream in streams:
                    await asyncio.gather(*(d.reach(stream.top) for d in devices[stream.mark]))
    finally:
        await asyncio.gather(*(device.close() for device in every))
    return count(streams, devices)


async def _cut(devices: Sequence[Device], plan: Plan) -> None:
    chance = random.Random(plan.seed)  # noqa: S311 - reason: chooses which socket is cut
    while plan.cuts:
        await asyncio.sleep(chance.uniform(0, 2 / plan.cuts))
        chance.choice(devices).cut()


def count(streams: Sequence[Stream], devices: dict[str, list[Device]]) -> Report:
    """Hold what each device was shown against what was published for its person."""
    pairs = [(stream, device) for stream in streams for device in devices[stream.mark]]
    own = [
        [each for each in device.shown if each.text.startswith(stream.mark)]
        for stream, device in pairs
    ]
    latencies = [
        (each.at - stream.sent[each.text]) * 1000
        for (stream, _), texts in zip(pairs, own, strict=True)
        for each in texts
        if not each.recovered
    ]
    shown = sum(len(device.shown) for _, device in pairs)
    delivered = sum(len({each.text for each in texts}) for texts in own)
    return Report(
        published=sum(len(stream.sent) for stream in streams),
        delivered=delivered,
        recovered=sum(each.recovered for texts in own for each in texts),
        lost=sum(len(stream.sent) for stream, _ in pairs) - delivered,
        doubled=sum(map(len, own)) - delivered,
        disordered=sum(map(_disorder, own)),
        crossed=shown - sum(map(len, own)),
        cuts=sum(device.cuts for _, device in pairs),
        latencies_ms=sorted(latencies),
    )


def _disorder(shown: Sequence[Shown]) -> int:
    """How often one came before what stands before it in the stream."""
    numbers = [int(each.text.rpartition(" ")[2]) for each in shown]
    return sum(later < earlier for earlier, later in pairwise(numbers))
