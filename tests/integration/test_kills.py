"""Workers and Valkey killed at random moments, over runs whose tools do something in the world."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from chatrouting.database import in_database
from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person
from chatrouting.testing.system import System, wait_until

SCALE = int(os.environ.get("TEST_SCALE", "1"))
RUNS, KILLS = 12 * SCALE, 6 * SCALE
SECONDS = 60.0 * SCALE


@pytest.fixture
async def alice(services):
    return await in_database(make_person, "alice")


@pytest.fixture
def site(own_database, tmp_path):
    """Valkey, a web process, two workers, and how to start another."""
    own = {
        "REDIS_URL": valkey_url(Path(tmp_path)),
        "DATABASE_URL": own_database,
        "MARKS": str(tmp_path / "marks"),
        "CHATROUTING_TOOLS": "tests.integration.side_effects.mark",
        "CHATROUTING_LEASE_SECONDS": "2",
        "CHATROUTING_SWEEP_SECONDS": "0.5",
        "CHATROUTING_QUEUE_PER_USER": "1000",
        "CHATROUTING_MESSAGES_PER_MINUTE": "1000000",  # how runs stand is asked again and again
        "CHATROUTING_MESSAGES_BURST": "1000000",
    }
    with EmbeddedValkey(tmp_path) as valkey, System(tmp_path) as started:
        made = Site(valkey, started, own)
        made.workers = [started.worker(**own) for _ in range(2)]
        made.web = started.web(**own)
        yield made


class Site:
    def __init__(self, valkey, system, own):
        self.valkey, self.system, self.own = valkey, system, own
        self.workers, self.web = [], None

    def kill_a_worker(self):
        """One of them dies without a word, and another is started in its place."""
        place = random.randrange(len(self.workers))
        self.workers[place].kill()
        self.workers[place] = self.system.worker(**self.own)

    def kill_valkey(self):
        os.kill(self.valkey.pid, signal.SIGKILL)
        wait_until(lambda: not self.valkey.alive, "the end of Valkey")
        self.valkey.restart()

    def marks(self):
        return Counter(Path(self.own["MARKS"]).read_text().split())


async def ask_all(client):
    """As many runs as the scale says, each to leave a mark of its own."""
    asked = []
    for number in range(RUNS):
        frame = await client.ask("user_message", content=f'/tool mark {{"word": "w{number}"}}')
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


async def test_workers_killed_at_random_leave_each_run_with_one_end(site, alice, report):
    """Rows 49, 51, 103: each ends exactly once; what a tool did it did once."""
    began = time.monotonic()
    async with await site.web.connect(alice, seconds=SECONDS) as a:
        asked = await ask_all(a)
        beating = asyncio.create_task(keep_open(a))
        killing = asyncio.create_task(disturb(site.kill_a_worker, KILLS))
        runs = [await a.whole_run(run_id) for run_id in asked]
        await killing
        beating.cancel()
        await a.ping()
        a.check_order()
    for events in runs:
        check_run(events)
    ends = Counter(events[-1]["payload"]["outcome"] for events in runs)
    assert set(ends) <= {"success", "lost"}
    assert ends["success"] <= len(site.marks())
    assert set(site.marks().values()) == {1}
    report(f"{RUNS} runs, {KILLS} workers killed: {dict(ends)}, {time.monotonic() - began:.0f} s")


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


async def test_valkey_killed_at_random_costs_no_run_and_doubles_no_tool(site, alice, report):
    """Rows 49, 53: recovery without a restart of any process."""
    began = time.monotonic()
    async with await site.web.connect(alice, seconds=SECONDS) as a:
        asked = await ask_all(a)
    await disturb(site.kill_valkey, max(KILLS // 2, 1))
    found = await statuses(site, alice, asked)
    assert Counter(each["outcome"] for each in found) == {"success": RUNS}
    assert site.marks() == {f"w{number}": 1 for number in range(RUNS)}
    report(f"{RUNS} runs, {KILLS // 2} times Valkey killed: {time.monotonic() - began:.0f} s")
