"""The course of a run: trouble, then quiet, then the comparison."""

import asyncio
import os
import random
import sys
import time
from typing import Any

from chatrouting.database import in_database
from chatrouting.testing.people import make_people
from tests.agents.waiting import until
from tests.faults import verdict
from tests.faults.crowd import Crowd
from tests.faults.kinds import KINDS, Kind
from tests.faults.plan import Fault, faults
from tests.faults.site import Site
from tests.faults.verdict import Report

QUIET_SECONDS = 120.0
LOOK_SECONDS = 0.2  # between looks at whether all is at rest: they take from what they wait for
SHOWN = 12


async def run(site: Site, given: Any) -> int:
    say(f"seed {given.seed}, on {os.environ['SERVER']}")
    crowd = Crowd(await in_database(make_people, given.users), given.devices)
    report = Report()
    crowd.begin(site, given.seed)
    try:
        await _trouble(site, crowd, report, given)
        found = await _settled(crowd)
    finally:
        await crowd.leave()
    for line in report.lines(crowd, site.tracebacks):
        say(line)
    found += report.failed(crowd)
    for line in found[:SHOWN]:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


async def _trouble(site: Site, crowd: Crowd, report: Report, given: Any) -> None:
    kinds = [kind for kind in KINDS if not given.only or kind in given.only]
    until, least = time.time() + given.minutes * 60, given.rounds * len(kinds)
    for fault in faults(given.seed, kinds):
        if time.time() >= until and report.kinds.total() >= least:
            return
        await asyncio.sleep(fault.pause)
        await _one(KINDS[fault.kind], fault, site, (crowd, report))


async def _one(kind: Kind, fault: Fault, site: Site, seen: tuple[Crowd, Report]) -> None:
    crowd, report = seen
    begin = time.time()
    await kind(site, crowd, random.Random(fault.seed))
    report.windows.append((begin, time.time()))
    report.kinds[fault.kind] += 1
    say(f"  {begin - report.began:6.1f} {fault.kind} {time.time() - begin:.1f} s")


async def _settled(crowd: Crowd) -> list[str]:
    """Wait until all is said and told, then compare. What did not come to rest is returned."""

    found: list[str] = []
    try:
        await crowd.fall_silent(QUIET_SECONDS)
        await until(lambda: verdict.is_over(crowd), QUIET_SECONDS, pause=LOOK_SECONDS)
        await until(lambda: verdict.is_whole(crowd), QUIET_SECONDS, pause=LOOK_SECONDS)
    except TimeoutError:
        found = [f"not at rest: {line}" for line in await in_database(verdict.unfinished, crowd)]
        found.append("not everything came to rest")
    for user in crowd.users:
        await in_database(verdict.check_rows, user)
        await verdict.check_stream(user)
    return found


def say(line: str) -> None:
    """Show it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
