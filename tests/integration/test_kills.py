"""Workers and Valkey killed at random moments, over runs whose tools do something in the world."""

import asyncio
import contextlib
import os
import random
import re
import signal
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from chatrouting.agents.models import Run
from chatrouting.database import in_database
from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.order import check_run
from chatrouting.testing.system import System, wait_until
from chatrouting.threads.models import ThreadMessage

LONG = bool(os.environ.get("TEST_LONG"))
RUNS, KILLS = (100, 100) if LONG else (12, 6)
SECONDS = 400.0 if LONG else 60.0
TAKEN_OVER_SECONDS = 10
TOOL_END = "tool_completed"
# In the long one leases and sweeps are as they come: what is promised of them is measured.
QUICK = {} if LONG else {"CHATROUTING_LEASE_SECONDS": "2", "CHATROUTING_SWEEP_SECONDS": "0.5"}


@pytest.fixture
def site(own_database, tmp_path):
    """Valkey, a web process, two workers, and how to start another."""
    own = {
        "REDIS_URL": valkey_url(Path(tmp_path)),
        "DATABASE_URL": own_database,
        "MARKS": str(tmp_path / "marks"),
        "MARK_SECONDS": "2" if LONG else "1",
        "CHATROUTING_TOOLS": "tests.integration.side_effects.mark,tests.integration.side_effects.mark_by_key",
        "CHATROUTING_QUEUE_PER_USER": "1000",
        "CHATROUTING_MESSAGES_PER_MINUTE": "1000000",  # how runs stand is asked again and again
        "CHATROUTING_MESSAGES_BURST": "1000000",
        **QUICK,
    }
    with EmbeddedValkey(tmp_path) as valkey, System(tmp_path) as started:
        made = Site(valkey, started, own, tmp_path.name)
        made.workers = [started.worker(**own) for _ in range(2)]
        made.web = started.web(**own)
        yield made


class Kill(NamedTuple):
    """When a worker was killed, and the runs that it had."""

    at: datetime
    runs: frozenset


class Site:
    def __init__(self, valkey, system, own, alias):
        self.valkey, self.system, self.own, self.alias = valkey, system, own, alias
        self.workers, self.web, self.kills = [], None, []

    def kill_a_worker(self):
        """One of them dies without a word, and another is started in its place."""
        place = random.randrange(len(self.workers))
        self.workers[place].has_said(" begins")
        name = re.search(r"worker (\w{32}) begins", self.workers[place].output)[1]
        self.workers[place].kill()
        held = Run.objects.using(self.alias).filter(worker=name, status="running")
        left = frozenset(str(run_id) for run_id in held.values_list("id", flat=True))
        self.kills.append(Kill(datetime.now(timezone.utc), left))
        self.workers[place] = self.system.worker(**self.own)

    def kill_valkey(self):
        os.kill(self.valkey.pid, signal.SIGKILL)
        wait_until(lambda: not self.valkey.alive, "the end of Valkey")
        self.valkey.restart()

    def flush_valkey(self):
        with redis.Redis.from_url(self.own["REDIS_URL"]) as valkey:
            valkey.flushall()

    def strike_valkey(self):
        """It loses its last moments, or everything."""
        random.choice((self.kill_valkey, self.flush_valkey))()

    def marks(self):
        return Counter(Path(self.own["MARKS"]).read_text().split())

    def stored(self, run_id):
        """The answer of the run, as it is kept."""
        answers = ThreadMessage.objects.using(self.alias).filter(answered_run=run_id)
        return answers.values_list("content", flat=True).get()

    def taken_over_after(self, runs):
        """Seconds from each kill until another worker had what the dead one left."""
        waits = []
        for number, kill in enumerate(self.kills):
            for run_id in kill.runs:
                again = [each.at for each in self.kills[number + 1 :] if run_id in each.runs]
                taken = [at for at in began(runs[run_id]) if at > kill.at]
                waits.append((min([*again, *taken]) - kill.at).total_seconds())
        return waits


def began(events):
    """When attempts of a run began, or it ended."""
    kinds = ("agent_started", "agent_completed")
    return [datetime.fromisoformat(each["ts"]) for each in events if each["type"] in kinds]


async def ask_all(client):
    """As many runs as there are to be, each to leave a mark of its own; every second by key."""
    asked = []
    for number in range(RUNS):
        name = "mark_by_key" if number % 2 else "mark"
        frame = await client.ask("user_message", content=f'/tool {name} {{"word": "w{number}"}}')
        assert frame["type"] == "message_accepted", frame
        asked.append(frame["payload"]["run_id"])
    return asked


async def keep_open(client):
    """Say something now and then, as every client does."""
    while True:
        await asyncio.sleep(10)
        await client.say("heartbeat")


async def disturb(act, times):
    for _ in range(times):
        await asyncio.sleep(random.uniform(0, 1))
        await asyncio.to_thread(act)


def check_marks(site):
    """What must not be done twice was not, and what was done again was so under one key."""
    marks = site.marks()
    assert {count for line, count in marks.items() if "=" not in line} == {1}
    words = Counter(line.partition("=")[0] for line in marks)
    assert set(words.values()) == {1}
    return set(words), sum(count - 1 for count in marks.values())


def done_by(runs):
    """The words of the calls of which the members were told that they came off.

    A worker may die after it has journaled a call and before the tool leaves its mark: such a run goes on,
    and says that nobody knows.
    """
    ends = [each["payload"] for events in runs for each in events if each["type"] == TOOL_END]
    return {end["result"] for end in ends if end["status"] == "ok"}


async def test_workers_killed_at_random_leave_each_run_with_one_end(site, alice, report):
    """Rows 49, 51, 103: each is taken over in time and ends exactly once; what a tool did it did once."""
    began_at = time.monotonic()
    async with await site.web.connect(alice, seconds=SECONDS) as a:
        asked = await ask_all(a)
        beating = asyncio.create_task(keep_open(a))
        killing = asyncio.create_task(disturb(site.kill_a_worker, KILLS))
        runs = {run_id: await a.whole_run(run_id) for run_id in asked}
        ended_after = time.monotonic() - began_at
        await killing
        beating.cancel()
        await a.ping()
        a.check_order()
    for run_id, events in runs.items():
        check_run(events, killed=True)
        assert await in_database(site.stored, run_id) == events[-1]["payload"]["content"]
    ends = Counter(events[-1]["payload"]["outcome"] for events in runs.values())
    assert set(ends) <= {"success", "lost"}
    marked, again = check_marks(site)
    assert done_by(runs.values()) <= marked
    waits = site.taken_over_after(runs)
    assert not LONG or waits
    assert max(waits, default=0) < TAKEN_OVER_SECONDS
    report(
        f"{RUNS} runs, all ended after {ended_after:.0f} s, {KILLS} workers killed: {dict(ends)};"
        f" {len(waits)} times a run was left and taken over, after {max(waits, default=0):.1f} s at most;"
        f" {again} times a tool that may be called again was"
    )


async def status_of(client, run_id):
    return (await client.ask("run_status", run_id=run_id))["payload"]


async def statuses(site, alice, asked):
    """Ask until all have ended, as a client does that was told to load anew."""
    async with asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(AssertionError, OSError):
                async with await site.web.connect(alice, seconds=10) as a:
                    while True:
                        found = [await status_of(a, run_id) for run_id in asked]
                        if all(each.get("status") == "completed" for each in found):
                            return found
                        await asyncio.sleep(0.2)
            await asyncio.sleep(0.2)


async def test_valkey_killed_and_flushed_costs_no_run_and_doubles_no_tool(site, alice, report):
    """Rows 49, 53: recovery without a restart of any process."""
    began = time.monotonic()
    async with await site.web.connect(alice, seconds=SECONDS) as a:
        asked = await ask_all(a)
    await disturb(site.strike_valkey, KILLS)
    found = await statuses(site, alice, asked)
    assert Counter(each["outcome"] for each in found) == {"success": RUNS}
    for run_id, each in zip(asked, found, strict=True):
        assert await in_database(site.stored, run_id) == each["text"]
    assert check_marks(site) == ({f"w{number}" for number in range(RUNS)}, 0)
    report(f"{RUNS} runs, {KILLS} times Valkey killed or flushed: {time.monotonic() - began:.0f} s")
