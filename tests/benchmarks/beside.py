"""`python -m tests.benchmarks.beside`: what a strain of one kind costs somebody else on the same process.

Round trips of a bystander, one after another, on a quiet site and beside each strain, in the same run. The
flood into a sink says which part of the flood's ratio is the machine's, fifty answers which part of that of
fifty time-outs or crashes. No figure decides anything.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.site import Cores, prepare_environment, private_folder

if TYPE_CHECKING:
    from chatrouting.testing.client import ProtocolClient
    from chatrouting.testing.system import System, Web
    from tests.benchmarks.plan import Account
    from tests.benchmarks.strains import Scene

STRAINS = ("flood", "sink", "answers", "timeouts", "crashes", "failures")
ROUND_TRIPS = 400
PAUSE_SECONDS = 0.005
MANY = 50
ENVIRONMENT = {
    "CHATROUTING_ROUTER": "tests.routes_for_tests.router",
    "CHATROUTING_BREAKER_FAILURES": "1000000",
    "CHATROUTING_CONNECTIONS_PER_ADDRESS": "1000",
}


def main() -> int:
    """Measure, and say it. Returns the exit code."""
    given = _arguments()
    with private_folder() as name:
        folder = Path(name)
        prepare_environment(folder)
        os.environ.update(ENVIRONMENT, SERVER=given.server)
        import django

        from chatrouting.serving.valkey import EmbeddedValkey

        django.setup()
        from chatrouting.testing.system import System, free_port
        from tests.benchmarks.strains import Scene, child

        people, cores, port = _people(2 * MANY + 1), Cores.take(), free_port()
        with EmbeddedValkey(folder), System(folder) as system:
            sink = child(cores.server, "tests.benchmarks.sink", f"{port}")
            webs = [_web(system, cores.server) for _ in range(given.webs)]
            others, sink_at = people[MANY + 1 :], f"127.0.0.1:{port}"
            scene = Scene(webs, people[1 : MANY + 1], others, sink_at, cores)
            try:
                asyncio.run(_measure(scene, people[0], given.strains, given.rounds))
            finally:
                sink.kill()
                sink.communicate()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="daphne", choices=("daphne", "uvicorn"))
    parser.add_argument("--webs", type=int, default=1, help="processes that a flood is spread over")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strains", nargs="*", default=STRAINS, choices=STRAINS)
    return parser.parse_args()


def _people(count: int) -> "list[Account]":
    from django.core.management import call_command
    from django.db import connections

    from tests.benchmarks.accounts import make_accounts

    call_command("migrate", verbosity=0)
    people = make_accounts(count)
    connections.close_all()
    return people


def _web(system: "System", core: int) -> "Web":
    web = system.web()
    for thread in Path(f"/proc/{web.process.pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
    return web


async def _measure(scene: "Scene", person: "Account", names: Sequence[str], rounds: int) -> None:
    from tests.benchmarks.strains import STRAINS, connect

    async with await connect(scene.webs[0], person) as bystander:
        await _round_trips(bystander)
        for _ in range(rounds):
            for name in names:
                async with AsyncExitStack() as stack:
                    begin = await STRAINS[name](scene, stack)
                    quiet = await _round_trips(bystander)
                    strain = asyncio.create_task(begin())
                    beside = await _round_trips(bystander, strain)
                    _say(f"{name}: {_compared(quiet, beside)}; {await strain}")


async def _round_trips(
    bystander: "ProtocolClient", strain: "asyncio.Task[str] | None" = None
) -> list[float]:
    """Milliseconds of each, shortest first: a fixed number, more while the strain lasts."""
    taken: list[float] = []
    while len(taken) < ROUND_TRIPS or (strain and not strain.done()):
        bystander.frames.clear()  # the client looks through all it has
        began = time.perf_counter()
        await bystander.ask("heartbeat")
        taken.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(PAUSE_SECONDS)
    return sorted(taken)


def _compared(quiet: Sequence[float], beside: Sequence[float]) -> str:
    """p50, p95, p99 and the longest of both, and how many times longer the second are."""
    found = []
    for share in (50, 95, 99):
        one, other = (each[len(each) * share // 100] for each in (quiet, beside))
        found.append(f"p{share} {one:.2f} -> {other:.2f} ms ({other / one:.1f})")
    found.append(f"longest {quiet[-1]:.1f} -> {beside[-1]:.1f} ms")
    return ", ".join(found)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
