"""Where a server's time goes: py-spy looks at it while a measure is repeated."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.benchmarks.plan import Measure

SECONDS = 8
RATE = 200
TOP = 25

# Where a thread that has nothing to do stands. py-spy takes it for busy, other than one in a selector.
WAITING = ("_worker (concurrent/futures/thread.py", "_wait (chatrouting/serving/parent.py")
# What calls the work: every stack has one of them, and says nothing with it.
CALLERS = ("Handle._run (asyncio/events.py", "Runner.run (asyncio/runners.py", *WAITING)


class Profiler:
    """A py-spy at work, where a folder is given for what it writes."""

    def __init__(self, folder: str, measure: Measure, pid: int) -> None:
        self._spy = _start(Path(folder, file_name(measure)), pid) if folder else None

    @property
    def running(self) -> bool:
        """Whether it still looks."""
        return self._spy is not None and self._spy.poll() is None


def file_name(measure: Measure) -> str:
    """Where the profile of a measure is written, in the folder given."""
    return f"{measure.name.lower()}.raw"


def _start(path: Path, pid: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid),
            "--format", "raw", "--output", str(path), "--function",
            "--duration", str(SECONDS), "--rate", str(RATE),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def shares(raw: str) -> tuple[Counter[str], Counter[str]]:
    """Per cent of the samples in which a function was at work itself, and in which it was called.

    A line is a stack, outermost function first, with semicolons between, and how often it was seen.
    Threads that wait count as no sample; what calls the work is not counted as called.
    """
    own: Counter[str] = Counter()
    called: Counter[str] = Counter()
    seen = 0
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        functions = stack.split(";")
        if functions[-1].startswith(WAITING):
            continue
        seen += int(count)
        own[functions[-1]] += int(count)
        for function in set(_work(functions)):
            called[function] += int(count)
    return _per_cent(own, seen), _per_cent(called, seen)


def _work(functions: list[str]) -> list[str]:
    """The part of a stack that is inside of what calls it."""
    callers = (place for place, each in enumerate(functions, 1) if each.startswith(CALLERS))
    return functions[max(callers, default=0) :]


def _per_cent(counts: Counter[str], of: int) -> Counter[str]:
    return Counter({name: 100 * count / of for name, count in counts.items()})


def shown(measure: Measure, raw: str) -> str:
    """The functions at the top, by their own time, and by that of all they call."""
    own, called = shares(raw)
    return "\n".join(
        [f"{measure}: functions at work, in per cent of the samples", *_top(own),
         "  and with what they call", *_top(called)]
    )  # fmt: skip


def _top(found: Counter[str]) -> list[str]:
    return [f"  {share:5.1f}  {name}" for name, share in found.most_common(TOP)]
