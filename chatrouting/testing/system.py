"""The whole system as real processes: web and worker, on the database and the Valkey of the settings."""

import contextlib
import http.client
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings

from chatrouting.serving.parent import Lifeline
from chatrouting.testing.client import ProtocolClient, at_position
from chatrouting.testing.people import Person

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Look again and again until it holds. Raises `AssertionError` when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(POLL_SECONDS)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Running:
    """One process of the project. Its output goes to `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """End it as a lost machine would: without a chance to clean up."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end and wait. Returns its exit code; raises where it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def has_said(self, text: str, seconds: float = 10) -> None:
        """Wait until its log holds this text."""
        wait_until(lambda: text in self.output, f"{text!r} in {self.log}", seconds)

    def assert_no_traceback(self) -> None:
        """Nothing went wrong in it that was not foreseen."""
        found = re.search(r"Traceback \(most recent call last\):[\s\S]{0,3000}", self.output)
        assert not found, found[0]


@dataclass
class Web(Running):
    """A web process. `connect` opens a socket on it and waits for its welcome."""

    port: int

    @property
    def processes(self) -> Sequence["Web"]:
        """Each of them, where several take turns."""
        return (self,)

    @property
    def origin(self) -> str:
        """The address of its pages."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The address of its sockets."""
        return f"ws://{HOST}:{self.port}/ws/chat/"

    def get(self, path: str) -> tuple[int, bytes]:
        """Fetch a page: status and body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()

    def counted(self, name: str, **labels: str) -> float:
        """The value of a metric of this process; 0 where it was never counted."""
        shown = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        series = f"{name}{{{shown}}} " if labels else f"{name} "
        lines = self.get("/metrics")[1].decode().splitlines()
        found = [line for line in lines if line.startswith(series)]
        return float(found[0].removeprefix(series)) if found else 0

    async def open(
        self,
        person: Person | None = None,
        *,
        since: tuple[str, int] | None = None,
        seconds: float = 10,
    ) -> ProtocolClient:
        """A socket of this person, resuming after a position (epoch, seq) where one is given.

        `seconds` is the longest that any wait on it may take.
        """
        url = at_position(self.url, epoch=since[0], seq=since[1]) if since else self.url
        cookie = person.cookie if person else ""
        return await ProtocolClient.connect(url, cookie=cookie, origin=self.origin, seconds=seconds)

    async def connect(
        self, person: Person, *, since: tuple[str, int] | None = None, seconds: float = 10
    ) -> ProtocolClient:
        """As `open`, and the welcome has come."""
        return await (await self.open(person, since=since, seconds=seconds)).ready()

    def is_ready(self) -> bool:
        """Whether it takes requests, Valkey and database included."""
        assert self.process.poll() is None, f"the web process ended:\n{self.output}"
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


class Webs(Web):
    """Several web processes that take turns with new sockets; what they count is added up.

    Pages, and whatever else one process must do, are the first one's.
    """

    def __init__(self, webs: Sequence[Web]) -> None:
        super().__init__(webs[0].process, webs[0].log, webs[0].port)
        self._webs = tuple(webs)
        self._next = itertools.cycle(webs)

    @property
    def processes(self) -> Sequence[Web]:
        """As `Web`'s."""
        return self._webs

    @property
    def output(self) -> str:
        """What all have said so far."""
        return "".join(web.output for web in self._webs)

    def counted(self, name: str, **labels: str) -> float:
        """As `Web`'s, of all."""
        return sum(web.counted(name, **labels) for web in self._webs)

    async def open(
        self,
        person: Person | None = None,
        *,
        since: tuple[str, int] | None = None,
        seconds: float = 10,
    ) -> ProtocolClient:
        """As `Web`'s, on the next process."""
        return await next(self._next).open(person, since=since, seconds=seconds)


def in_turn(webs: Sequence[Web]) -> Web:
    """These processes as one: the only one, or several that take turns."""
    return webs[0] if len(webs) == 1 else Webs(webs)


class System:
    """Starts processes of this project and ends them all. Use it as a context manager.

    Where the process that uses it is killed, they end with it.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Running] = []
        self._lifeline = Lifeline()

    def web(self, port: int | None = None, **environment: str) -> Web:
        """A web process that answers. Other settings come as environment variables."""
        chosen = port or free_port()
        arguments = ("run_web", "--host", HOST, "--port", str(chosen))
        process, log = self._start(arguments, environment)
        web = Web(process, log, chosen)
        self._running.append(web)
        wait_until(web.is_ready, f"/readyz of {log}", START_SECONDS)
        return web

    def worker(self, *arguments: str, **environment: str) -> Running:
        """A worker that takes runs, with these arguments of `run_agents`."""
        worker = Running(*self._start(("run_agents", *arguments), environment))
        self._running.append(worker)
        worker.has_said("takes runs", START_SECONDS)
        return worker

    def _start(
        self, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._logs / f"{arguments[0]}-{len(self._running) + 1}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - reason: the project's own commands
                [sys.executable, "manage.py", *arguments],
                cwd=settings.BASE_DIR,
                env={**os.environ, **environment, **self._lifeline.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lifeline.read_end,),
            )
        return process, log

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for running in reversed(self._running):
            if running.process.poll() is None:
                running.process.terminate()
        for running in self._running:
            try:
                running.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
        self._lifeline.close()

    def __iter__(self) -> Iterator[Running]:
        return iter(self._running)
