"""What the kernel says of a process and its children: their time on the CPU, their memory. Linux."""

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
NANOSECONDS = 1e9


def family(pid: int, proc: Path = PROC) -> Iterator[int]:
    """The process and all that come from it. One that is gone has none."""
    yield pid
    for thread in _threads(pid, proc):
        for child in _read(thread / "children").split():
            yield from family(int(child), proc)


def cpu_seconds(pid: int, proc: Path = PROC) -> float:
    """How long the threads of the process and its children, those that live, have been on a CPU."""
    threads = (thread for each in family(pid, proc) for thread in _threads(each, proc))
    return sum(_nanoseconds(_read(thread / "schedstat")) for thread in threads) / NANOSECONDS


def memory_kb(pid: int, proc: Path = PROC) -> int:
    """Memory of the process and its children in KB; a page that several use is shared out (PSS)."""
    return sum(_pss(_read(proc / str(each) / "smaps_rollup")) for each in family(pid, proc))


def _threads(pid: int, proc: Path) -> list[Path]:
    try:
        return list((proc / str(pid) / "task").iterdir())
    except FileNotFoundError:
        return []


def _read(path: Path) -> str:
    """The text of a file of the kernel; nothing where its process ended in the meantime."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _nanoseconds(schedstat: str) -> int:
    """Its first number: time on the CPU. The others are time of waiting for one, and turns."""
    return int(schedstat.split()[0]) if schedstat else 0


def _pss(smaps: str) -> int:
    lines = (line.split() for line in smaps.splitlines())
    return next((int(words[1]) for words in lines if words[0] == "Pss:"), 0)
