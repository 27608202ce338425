"""`make soak`: users at work while everything fails around them, decided by a seed.

Ends with 1 where an event was lost, doubled or crossed, or something did not come back.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.faults.environment import prepare_environment


def main() -> int:
    """Run what the arguments say. Returns the exit code."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="chatrouting-") as folder:
        prepare_environment(Path(folder))
        import django

        django.setup()
        from django.core.management import call_command

        from tests.faults.course import run
        from tests.faults.site import Site

        call_command("migrate", verbosity=0)
        code = 1
        try:
            with Site.begun(Path(folder)) as site:
                code = asyncio.run(run(site, given))
        finally:
            if code:
                sys.stderr.write(f"the logs of its processes: {_kept_logs(Path(folder))}\n")
        return code


def _kept_logs(folder: Path) -> Path:
    """Where they are after the folder is gone."""
    kept = Path(tempfile.mkdtemp(prefix="chatrouting-soak-"))
    for log in folder.glob("*.log"):
        shutil.copy(log, kept)
    return kept


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--minutes", type=float, default=0, help="at least so long")
    parser.add_argument("--rounds", type=int, default=1, help="every fault at least so many times")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--devices", type=int, default=3, help="of each user")
    parser.add_argument("--only", nargs="*", default=[], help="these faults alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
