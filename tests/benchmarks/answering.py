"""`python -m tests.benchmarks.answering`: how soon runs begin and are stopped, how fast many go on, and the cost.

One web process and one worker on a fresh database and Valkey. Figures in milliseconds, and CPU of the
processes for each run; no figure decides anything.
"""

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.site import prepare_environment, private_folder, raise_limits

if TYPE_CHECKING:
    from chatrouting.testing.client import ProtocolClient
    from chatrouting.testing.system import Running, Web
    from tests.benchmarks.plan import Account

SECONDS = 120.0
AT_ONCE = (1, 20)
ROUNDS = 10
RUNS = 200
DELTAS = 50
CANCELS = 60
LENGTHS = range(20, 81)  # in deltas
APART_SECONDS = 2.0  # in which those begin who are at work all the time: as long as a run lasts
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure, and say it. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    with private_folder() as name:
        folder = Path(name)
        prepare_environment(folder)
        os.environ["CHATROUTING_DEMO_COMMANDS"] = "1"
        import django

        from chatrouting.conf import ChatSettings
        from chatrouting.serving.valkey import EmbeddedValkey

        raise_limits(ChatSettings.__struct_fields__)
        django.setup()
        from chatrouting.testing.system import System

        people = _people(max(*AT_ONCE, given.runs))
        with EmbeddedValkey(folder), System(folder) as system:
            worker = system.worker("--concurrency", str(given.runs))
            site = Site(system.web(), worker)
            asyncio.run(_measure(site, people, given.rounds, given.runs))
    return 0


def _people(count: int) -> "list[Account]":
    from django.core.management import call_command
    from django.db import connections

    from tests.benchmarks.accounts import make_accounts

    call_command("migrate", verbosity=0)
    people = make_accounts(count)
    connections.close_all()
    return people


class Site:
    """The two processes, and the CPU they have used."""

    def __init__(self, web: "Web", worker: "Running") -> None:
        self.web, self.worker = web, worker

    @property
    def cpu(self) -> tuple[float, float]:
        """Seconds of the web process and of the worker so far."""
        return _cpu(self.web.process.pid), _cpu(self.worker.process.pid)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def _measure(site: Site, people: "list[Account]", rounds: int, count: int) -> None:
    async with AsyncExitStack() as stack:
        opened = [await _open(site.web, person) for person in people[: max(AT_ONCE)]]
        for client in opened:
            await stack.enter_async_context(client)
        await asyncio.gather(*(_soon(client) for client in opened))
        for at_once in AT_ONCE:
            await _first_events(site, opened[:at_once], rounds)
        await _beside_others(site, opened, rounds)
        cancelled = [await _cancelled(opened[0]) for _ in range(CANCELS)]
        _say(f"{CANCELS} cancels of an async tool, one at a time: {_spread(cancelled)}")
    async with AsyncExitStack() as stack:
        opened = [await _open(site.web, person) for person in people[:count]]
        for client in opened:
            await stack.enter_async_context(client)
        began, before = time.perf_counter(), site.cpu
        firsts = await _together([_soon(each, f"/stream {DELTAS} 40") for each in opened])
        seconds = time.perf_counter() - began
        _say(f"{count} runs of {DELTAS} deltas: whole in {seconds:.1f} s; first event "
             f"{_spread(firsts)}; {_cost(site, before, count)}")  # fmt: skip
        for client in opened:
            client.check_order()


async def _first_events(site: Site, clients: "Sequence[ProtocolClient]", rounds: int) -> None:
    times: list[float] = []
    before = site.cpu
    for _ in range(rounds):
        times += await _together([_soon(client) for client in clients])
    cost = _cost(site, before, rounds * len(clients))
    _say(f"{len(clients)} at once: first event {_spread(times)}; {cost}")


async def _beside_others(site: Site, clients: "Sequence[ProtocolClient]", rounds: int) -> None:
    """Everybody has a run at work all the time: one begins when the one before has ended, of another length."""
    chance = random.Random(1)

    async def one_after_another(client: "ProtocolClient") -> list[float]:
        await asyncio.sleep(chance.uniform(0, APART_SECONDS))
        return [await _soon(client, f"/stream {chance.choice(LENGTHS)} 40") for _ in range(rounds)]

    before = site.cpu
    times = list(chain(*await asyncio.gather(*map(one_after_another, clients))))
    _say(f"{len(clients)} at work all the time: first event {_spread(times)}; "
         f"{_cost(site, before, len(times))}")  # fmt: skip


async def _open(web: "Web", person: "Account") -> "ProtocolClient":
    from chatrouting.testing.client import ProtocolClient

    client = await ProtocolClient.connect(
        web.url, cookie=person.cookie, origin=web.origin, seconds=SECONDS
    )
    return await client.ready()


async def _soon(client: "ProtocolClient", content: str = "/think 0") -> float:
    """Seconds from a message to the start of its run; the run is seen to its end."""
    began = time.perf_counter()
    accepted = await client.ask("user_message", content=content)
    run_id = accepted["payload"]["run_id"]
    await client.expect_event("agent_started", run_id=run_id)
    seconds = time.perf_counter() - began
    events = await client.whole_run(run_id)
    end = events[-1]["payload"]
    if (end["outcome"], end["attempt"]) != ("success", 1):  # a live worker's run was taken over
        raise AssertionError(f"run {run_id} ended so: {events[-1]}")
    return seconds


async def _cancelled(client: "ProtocolClient") -> float:
    """Seconds from the message that stops a run, whose tool is at work, to the run's end."""
    accepted = await client.ask("user_message", content="/slowtool 30")
    run_id = accepted["payload"]["run_id"]
    await client.expect_event("tool_executing", run_id=run_id)
    began = time.perf_counter()
    await client.ask("stop_agent", run_id=run_id)
    events = await client.whole_run(run_id)
    seconds = time.perf_counter() - began
    if events[-1]["payload"]["outcome"] != "cancelled":
        raise AssertionError(f"run {run_id} ended so: {events[-1]}")
    return seconds


async def _together(asked: Sequence[Coroutine[Any, Any, float]]) -> list[float]:
    return list(await asyncio.gather(*asked))


def _spread(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p95, p99 = (ordered[min(len(ordered) * part // 100, len(ordered) - 1)] for part in (95, 99))
    p50 = statistics.median(ordered)
    return f"p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"


def _cost(site: Site, before: tuple[float, float], runs: int) -> str:
    web, worker = (1000 * (now - then) / runs for now, then in zip(site.cpu, before, strict=True))
    return f"CPU a run: web {web:.1f} ms, worker {worker:.1f} ms"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
