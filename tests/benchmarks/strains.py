"""What strains a site: a flood, the same into a sink; fifty handlers that answer, take too long or raise, or both.

Each is prepared while the site is quiet; what it gives is begun then, and ends by itself with a sentence.
Fifty answers are the control of the other two: they, and those who read them, cost the machine something.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.system import Web
from tests.benchmarks.kernel import cpu_seconds
from tests.benchmarks.plan import Account
from tests.benchmarks.site import Cores

FRAMES_A_SECOND = 5_000
FLOOD_SECONDS = 4.0
SECONDS = 30.0

Begin = Callable[[], Coroutine[Any, Any, str]]


@dataclass(frozen=True, slots=True)
class Scene:
    """The processes, the people who strain them and as many others, and where the sink listens."""

    webs: Sequence[Web]
    people: Sequence[Account]
    others: Sequence[Account]
    sink: str
    cores: Cores

    @property
    def used(self) -> float:
        """Seconds of a processor that the site has used so far."""
        return sum(cpu_seconds(web.process.pid) for web in self.webs)


# What it leaves is cleared away with the stack.
Strain = Callable[[Scene, AsyncExitStack], Awaitable[Begin]]


def child(core: int, *arguments: str) -> "subprocess.Popen[str]":
    """A module in a process of its own, on this core."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {core})
    return process


async def connect(web: Web, person: Account) -> ProtocolClient:
    """A socket that has been welcomed."""
    client = await ProtocolClient.connect(
        web.url, cookie=person.cookie, origin=web.origin, seconds=SECONDS
    )
    return await client.ready()


async def flood(scene: Scene, stack: AsyncExitStack) -> Begin:
    """One person sends 5 000 frames a second, spread over the processes."""
    return await _flood(scene, [(web.url, web.origin) for web in scene.webs])


async def sink(scene: Scene, stack: AsyncExitStack) -> Begin:
    """The same, but the site sees nothing of it: the machine's part."""
    return await _flood(scene, [(f"ws://{scene.sink}/", f"http://{scene.sink}")])


async def _flood(scene: Scene, addresses: Sequence[tuple[str, str]]) -> Begin:
    share, cookie = FRAMES_A_SECOND // len(addresses), scene.people[0].cookie
    floods = [
        child(scene.cores.load, "tests.benchmarks.flooder", url, origin, cookie, f"{share}")
        for url, origin in addresses
    ]
    for each in floods:
        assert each.stdout is not None
        await asyncio.to_thread(each.stdout.readline)

    async def begin() -> str:
        used = scene.used
        said = [asyncio.to_thread(each.communicate, f"{FLOOD_SECONDS}\n") for each in floods]
        sent = sum(int(out) for out, _ in await asyncio.gather(*said))
        return (
            f"{sent / FLOOD_SECONDS:.0f} frames a second left, the site used "
            f"{100 * (scene.used - used) / FLOOD_SECONDS:.0f} % of a processor"
        )

    return begin


async def answers(scene: Scene, stack: AsyncExitStack) -> Begin:
    """Fifty people call a handler that answers."""
    return await _called(scene.webs[0], scene.people, stack, "test.context", "test.shown")


async def timeouts(scene: Scene, stack: AsyncExitStack) -> Begin:
    """Fifty people call a handler that takes ten seconds."""
    return await _called(scene.webs[0], scene.people, stack, "test.sleep", "handler_timeout")


async def crashes(scene: Scene, stack: AsyncExitStack) -> Begin:
    """Fifty people call a handler that raises."""
    return await _called(scene.webs[0], scene.people, stack, "test.crash", "internal")


async def failures(scene: Scene, stack: AsyncExitStack) -> Begin:
    """Fifty call a handler that takes ten seconds, and at the same time fifty others one that raises."""
    late = await timeouts(scene, stack)
    raising = await _called(scene.webs[0], scene.others, stack, "test.crash", "internal")

    async def begin() -> str:
        return "; ".join(await asyncio.gather(late(), raising()))

    return begin


async def _called(
    web: Web, people: Sequence[Account], stack: AsyncExitStack, kind: str, told: str
) -> Begin:
    clients = [await stack.enter_async_context(await connect(web, each)) for each in people]

    async def call(client: ProtocolClient) -> float:
        began = time.perf_counter()
        answer = await client.ask(kind)
        if answer["payload"].get("code", answer["type"]) != told:
            raise AssertionError(f"not {told}: {answer}")
        return time.perf_counter() - began

    async def begin() -> str:
        took = await asyncio.gather(*(call(each) for each in clients))
        return f"{len(took)} answered {told}, the last after {max(took):.2f} s"

    return begin


STRAINS: dict[str, Strain] = {
    each.__name__: each for each in (flood, sink, answers, timeouts, crashes, failures)
}
