"""What a process of the system holds and uses: memory, open sockets, processors."""

import os
from pathlib import Path

KIB = 1024


def memory(pid: int) -> int:
    """Bytes that are this process's own, a share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (pss,) = [line.split()[1] for line in lines if line.startswith("Pss:")]
    return int(pss) * KIB


def processor_seconds(pid: int) -> float:
    """What it has used of the processors so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def open_sockets(pid: int) -> int:
    """How many sockets it has open: those of its clients, and its own to Valkey and the database."""
    return sum(target.startswith("socket:") for target in _targets(pid))


def sockets_at(pid: int, port: int) -> int:
    """How many sockets it has open at this port of its own, with that on which it listens."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    there = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
    return len(there & set(_targets(pid)))


def _targets(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return [_target(folder / name) for name in os.listdir(folder)]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed in the meantime
        return ""
