"""What a process of the system holds: memory, open sockets."""

import os
from pathlib import Path

KIB = 1024


def memory(pid: int) -> int:
    """Bytes that are this process's own, a share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (pss,) = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(pss) * KIB


def open_sockets(pid: int) -> int:
    """How many sockets it has open."""
    folder = Path(f"/proc/{pid}/fd")
    return sum(_target(folder / name).startswith("socket:") for name in os.listdir(folder))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed in the meantime
        return ""
