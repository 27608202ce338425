"""What the load generator is asked for, and what it answers. Both travel as JSON."""

from enum import StrEnum

import msgspec

from tests.benchmarks.publishing import PACE


class Phase(StrEnum):
    """What one start of a server is used for."""

    FAN_OUT = "fan-out"
    STREAM = "stream"


class Measure(StrEnum):
    """What is repeated, and counted for each delivery: of answers, for each piece that an agent wrote."""

    ONE = "fan-out, one at a time"
    SEVERAL = "fan-out, 4 outstanding"
    STREAM = "stream"
    ANSWERS = f"answers, a piece every {PACE * 1000:.0f} ms"


OUTSTANDING = 4


class Effort(msgspec.Struct, frozen=True):
    """How much is done. A window of a fan-out takes at least `seconds`; none is begun after `patience` of them."""

    sockets: int = 1_000
    users: int = 200
    deltas: int = 50
    repeats: int = 5
    seconds: float = 4.0
    patience: float = 40.0
    idle_seconds: float = 9.0


QUICK = Effort(repeats=3, seconds=1.0, patience=6.0, idle_seconds=3.0)


class Account(msgspec.Struct, frozen=True):
    """Somebody who is signed in, by the `Cookie` header."""

    user_id: str
    cookie: str


class Task(msgspec.Struct, frozen=True):
    """One phase on a server that runs. `welcomed`: it tells each socket first where its stream stands."""

    phase: Phase
    effort: Effort
    origin: str
    path: str
    welcomed: bool
    accounts: str
    publisher: tuple[str, ...]
    server_pid: int
    valkey_pid: int
    profile: str = ""


class Window(msgspec.Struct, frozen=True):
    """What was counted between two readings; a delta counts once for each piece of text in it.

    CPU is in seconds; `latencies_ms` has one for each piece that came to all of its sockets.
    """

    deliveries: int
    lost: int
    faults: int
    seconds: float
    server_cpu: float
    valkey_cpu: float
    publisher_cpu: float
    load_cpu: float
    latencies_ms: list[float]


class Idle(msgspec.Struct, frozen=True):
    """What open sockets cost that nothing happens on, and what it cost to open them."""

    kb_per_socket: float
    cpu_percent: float
    connect_cpu_ms: float


class Outcome(msgspec.Struct, frozen=True):
    """What came of a task. `errors` are sentences for people."""

    windows: dict[Measure, list[Window]] = {}
    idle: Idle | None = None
    frame_bytes: int = 0
    errors: list[str] = []
