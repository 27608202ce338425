"""Two web processes, two workers and a Valkey of their own, which may be killed and come back."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import redis

from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.system import Running, System, Web, wait_until

TRACEBACK = "Traceback (most recent call last):"
RAISED = re.compile(r"^[ |]*([\w.]+(?:Error|Exception|Group|Exit)\b.*)$", re.MULTILINE)
PLACE = re.compile(r'File "(?:[^"]*/)?([^"/]+/[^"/]+)", line (\d+)')


def raised(log: str) -> list[str]:
    """What each traceback in a log says, and which line of the code raised it."""
    found = []
    for part in log.split(TRACEBACK)[1:]:
        if match := RAISED.search(part):
            places = PLACE.findall(part, 0, match.start())
            found.append(" ".join([*map(":".join, places[-1:]), match[1]]))
    return found


class Site:
    """The processes. What ends one of them begins another in its place."""

    def __init__(self, valkey: EmbeddedValkey, system: System) -> None:
        self.valkey = valkey
        self._system = system
        self.webs: list[Web] = [system.web(), system.web()]
        self.workers: list[Running] = [system.worker(), system.worker()]

    @classmethod
    @contextmanager
    def begun(cls, folder: Path) -> Iterator[Self]:
        """The site, for as long as the block lasts."""
        with EmbeddedValkey(folder) as valkey, System(folder) as system:
            yield cls(valkey, system)

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A client of Valkey that does not belong to the site."""
        with redis.Redis(unix_socket_path=str(self.valkey.socket)) as client:
            yield client

    async def replace_web(self, place: int) -> None:
        """Begin a web process where one ended."""
        self.webs[place] = await asyncio.to_thread(self._system.web, self.webs[place].port)

    async def replace_worker(self, place: int) -> None:
        """Begin a worker where one ended."""
        self.workers[place] = await asyncio.to_thread(self._system.worker)

    async def kill_valkey(self) -> None:
        """Valkey ends without a word and comes back, with what its append-only file holds."""
        os.kill(self.valkey.pid or 0, signal.SIGKILL)
        await asyncio.to_thread(wait_until, lambda: not self.valkey.alive, "the end of Valkey")
        await asyncio.to_thread(self.valkey.restart)

    async def pause_valkey(self, seconds: float) -> None:
        """Valkey says nothing for so long."""
        os.kill(self.valkey.pid or 0, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(self.valkey.pid or 0, signal.SIGCONT)

    @property
    def tracebacks(self) -> list[str]:
        """What the tracebacks say that the processes have written."""
        return [line for running in self._system for line in raised(running.output)]
