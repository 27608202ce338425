"""What all rows share: cores, a database with people, Valkey; and the processes on them."""

import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import redis

from chatrouting.datafolder import valkey_url
from chatrouting.serving.parent import Lifeline
from tests.benchmarks.plan import Account, Effort, Outcome, Phase, Task
from tests.benchmarks.rows import FLOOR, LOAD, ROOT, Row

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
LOAD_SECONDS = 400.0
POLL_SECONDS = 0.05
SAID_LINES = 12

# More than a site allows, because one address opens all sockets, and one user a thousand of them.
RAISED = {
    "connections_per_user": "2000",
    "connections_per_address": "5000",
    "handshakes_per_minute": "1000000",
    "messages_per_minute": "100000000",
    "messages_burst": "100000000",
    "heartbeat_seconds": "600",
}


class NotMeasured(Exception):
    """A server or the load generator did not do its part. The text says what it said."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the server runs, and where all else does."""

    server: int
    load: int

    @classmethod
    def take(cls) -> Self:
        """The first and the last this process may use, the same where there is one. We move to the last,
        and with us what we start from here on."""
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[-1:])
        return cls(cores[0], cores[-1])


def prepare_environment(folder: Path) -> None:
    """Settings of the shell would decide what is measured; these do."""
    for name in [name for name in os.environ if name.startswith("CHATROUTING_")]:
        del os.environ[name]
    for name in ("DATABASE_URL", "DEBUG", "SERVER", "LOG_LEVEL"):
        os.environ.pop(name, None)
    os.environ.update(
        DATA_DIR=str(folder),
        REDIS_URL=valkey_url(folder),
        SECRET_KEY=secrets.token_urlsafe(50),
        ALLOWED_HOSTS=HOST,
        DJANGO_SETTINGS_MODULE="chatrouting.settings",
    )


def raise_limits(known: Iterable[str]) -> None:
    """Set what `RAISED` says for the settings the project has."""
    for name in set(RAISED) & set(known):
        os.environ[f"CHATROUTING_{name.upper()}"] = RAISED[name]


class Site:
    """Starts what serves and what loads, each on its core. `folder` keeps what they say."""

    def __init__(
        self, folder: Path, cores: Cores, valkey_pid: int, people: list[Account], effort: Effort
    ) -> None:
        self.cores = cores
        self.effort = effort
        self._folder = folder
        self._valkey_pid = valkey_pid
        self._lifeline = Lifeline()
        self._accounts = folder / "accounts.json"
        self._accounts.write_bytes(msgspec.json.encode(people))

    def measure(self, row: Row, phase: Phase, profile: str = "") -> Outcome:
        """One phase on a fresh server and an empty Valkey. Raises `NotMeasured`."""
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as valkey:
            valkey.flushall()
        with self._serving(row) as (server, port):
            application = row.application
            task = Task(
                phase=phase,
                effort=self.effort,
                origin=f"http://{HOST}:{port}",
                path=application.path,
                welcomed=application.welcomed,
                accounts=str(self._accounts),
                publisher=application.publisher,
                server_pid=server.pid,
                valkey_pid=self._valkey_pid,
                profile=profile,
            )
            return self._load(task)

    def floor_us(self, frame_bytes: int) -> float:
        """What the kernel alone takes for a delivery of so many bytes, in microseconds of CPU."""
        command = [*FLOOR, str(frame_bytes), str(self.cores.server), str(self.cores.load)]
        return float(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)

    def _load(self, task: Task) -> Outcome:
        command = [*LOAD, msgspec.json.encode(task).decode()]
        log = self._folder / "load.log"
        loading = self._start(command, log, stdout=subprocess.PIPE)
        try:
            said, _ = loading.communicate(timeout=LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"the load took more than {LOAD_SECONDS:g} s") from None
        finally:
            loading.kill()
            loading.wait()
        if loading.returncode:
            raise NotMeasured(f"the load generator failed: {_end_of(log)}")
        return msgspec.json.decode(said, type=Outcome)

    @contextmanager
    def _serving(self, row: Row) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        port, log = _free_port(), self._folder / f"{row.name.replace('/', '-')}.log"
        server = self._start(row.at(port), log)
        os.sched_setaffinity(server.pid, {self.cores.server})  # its threads to come inherit it
        try:
            _wait_for(server, port, log)
            yield server, port
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

    def _start(
        self,
        command: list[str],
        log: Path,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        with log.open("wb") as said:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **self._lifeline.environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout or said,
                stderr=said,
                pass_fds=(self._lifeline.read_end,),
            )


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise NotMeasured(f"the server ended: {_end_of(log)}")
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise NotMeasured(f"the server did not listen in {START_SECONDS:g} s: {_end_of(log)}")


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-SAID_LINES:])


def private_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder for one run of the bench."""
    return tempfile.TemporaryDirectory(prefix="chatrouting-bench-")
