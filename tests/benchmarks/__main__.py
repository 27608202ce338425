"""`make bench`: this project beside an ordinary Channels application, in one run.

Ends with 1 where an event of ours was lost, doubled or out of order, or ours failed; never for a figure.
"""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.figures import Result, faults, ratios, result
from tests.benchmarks.plan import QUICK, Effort, Measure, Outcome, Phase
from tests.benchmarks.profiling import file_name, shown
from tests.benchmarks.report import tables
from tests.benchmarks.rows import ROWS, Row
from tests.benchmarks.site import (
    Cores,
    NotMeasured,
    Site,
    prepare_environment,
    private_folder,
    raise_limits,
)


def main() -> int:
    """Measure what the arguments name. Returns the exit code."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    named = [row for row in ROWS if row.name in given.rows]
    effort = QUICK if given.quick or given.profile else Effort()
    with private_folder() as folder, _site(Path(folder), effort) as site:
        if given.profile:
            return _profile(site, named or [row for row in ROWS if row.is_ours], Path(folder))
        return _compare(site, named or list(ROWS), given.json)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter windows, fewer repeats")
    parser.add_argument(
        "--profile", action="store_true", help="where the time goes: of ours, or of --rows"
    )
    parser.add_argument("--rows", nargs="*", default=[], choices=[row.name for row in ROWS])
    parser.add_argument("--json", type=Path, help="where to write all figures")
    return parser.parse_args()


@contextmanager
def _site(folder: Path, effort: Effort) -> Iterator[Site]:
    """Database, people and Valkey. What the project imports here reads the settings: they come first."""
    prepare_environment(folder)
    import django

    from chatrouting.conf import ChatSettings
    from chatrouting.serving.valkey import EmbeddedValkey

    raise_limits(ChatSettings.__struct_fields__)
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from tests.benchmarks.accounts import make_accounts

    call_command("migrate", verbosity=0)
    people = make_accounts(effort.sockets)
    connections.close_all()
    cores = Cores.take()
    with EmbeddedValkey(folder) as valkey:
        assert valkey.pid is not None
        yield Site(folder, cores, valkey.pid, people, effort)


def _compare(site: Site, rows: list[Row], json: Path | None) -> int:
    results = {row.name: _measured(site, row) for row in rows}
    found = ratios(results)
    _say(f"\n{_conditions(site)}\n\n{tables(results, found)}\n\n{_floor(site, results)}")
    wrong = {row.name: faults(row.name, results[row.name]) for row in rows}
    _say("\n" + "\n".join(sentence for said in wrong.values() for sentence in said))
    if json:
        whole = {"conditions": _conditions(site), "results": results, "ratios": found}
        json.write_bytes(msgspec.json.format(msgspec.json.encode(whole)))
    return int(any(wrong[row.name] for row in rows if row.is_ours))


def _floor(site: Site, results: dict[str, Result]) -> str:
    size = max(found.frame_bytes for found in results.values())
    least = site.floor_us(size)
    return f"One write of {size} bytes takes the kernel {least:.1f} µs of CPU: a frame alone takes that."


def _measured(site: Site, row: Row) -> Result:
    """A row's phases. What fails is part of the result."""
    outcomes: list[Outcome] = []
    errors: list[str] = []
    for phase in Phase:
        began = time.monotonic()
        try:
            outcomes.append(site.measure(row, phase))
        except NotMeasured as error:
            errors.append(f"{phase}: {error}")
        _say(f"{row.name}, {phase}: {time.monotonic() - began:.0f} s")
    return result(outcomes, errors)


def _profile(site: Site, rows: list[Row], folder: Path) -> int:
    failed = False
    for row in rows:
        _say(f"\n{row.name}")
        for phase in Phase:
            try:
                outcome = site.measure(row, phase, str(folder))
            except NotMeasured as error:
                failed = True
                _say(str(error))
                continue
            _show_profiles(outcome, folder)
            failed |= row.is_ours and bool(faults(row.name, result([outcome])))
    return int(failed)


def _show_profiles(outcome: Outcome, folder: Path) -> None:
    for error in outcome.errors:
        _say(error)
    for measure in outcome.windows:
        written = folder / file_name(measure)
        _say(shown(Measure(measure), written.read_text()) if written.exists() else "no profile")


def _conditions(site: Site) -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")),
        platform.machine(),
    )  # fmt: skip
    load = "/".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC; {cpu}, {os.cpu_count()} cores, "
        f"server on {site.cores.server}, all else on {site.cores.load}; "
        f"Python {platform.python_version()}; load average at the end {load}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
