"""A fresh look at the session of every open socket: now and then, and when it was to run out.

The backstop of `revocation`: it finds what nobody told of, and what time alone has ended.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from django.utils import timezone

from chatrouting.conf import chat_settings
from chatrouting.connections.sessions import AT_ONCE, Look, SignedIn, standings
from chatrouting.database import in_database
from chatrouting.outages import log_failure
from routing_core.closing import CloseCode

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5  # a socket closes within 2 s of its session's end


class Watched(Protocol):
    """A socket, as far as its session is looked at."""

    @property
    def look(self) -> Look:
        """What it is looked at by."""
        ...

    @property
    def expires_at(self) -> datetime | None:
        """When its session runs out, as far as is known; a request may have extended it since."""
        ...

    def stand(self, standing: SignedIn | CloseCode) -> None:
        """How it stands."""
        ...


class Sweep:
    """Looks at the sessions of the sockets that `opened` gives, until it is cancelled."""

    def __init__(self, opened: Callable[[], Collection[Watched]]) -> None:
        self._opened = opened
        self._soonest: datetime | None = None

    def note(self, socket: Watched) -> None:
        """This socket's session was looked at: it may be the next that runs out."""
        expires_at = socket.expires_at
        if expires_at and (self._soonest is None or expires_at < self._soonest):
            self._soonest = expires_at

    async def run(self) -> None:
        """Look when it is time."""
        loop = asyncio.get_running_loop()
        all_due = loop.time() + _period()
        while True:
            await asyncio.sleep(min(TICK_SECONDS, _period()))
            if loop.time() >= all_due:
                await self._look(list(self._opened()))
                all_due = loop.time() + _period()
            elif self._soonest is not None and self._soonest <= timezone.now():
                await self._look(self._run_out())

    def _run_out(self) -> list[Watched]:
        """The sockets whose sessions were to run out; the next of the others is noted."""
        now = timezone.now()
        self._soonest, due = None, []
        for socket in self._opened():
            if socket.expires_at and socket.expires_at <= now:
                due.append(socket)
            else:
                self.note(socket)
        return due

    async def _look(self, sockets: Sequence[Watched]) -> None:
        for start in range(0, len(sockets), AT_ONCE):
            some = sockets[start : start + AT_ONCE]
            try:
                found = await in_database(standings, [socket.look for socket in some])
            except Exception as error:  # noqa: BLE001 - reason: an edge: a database that is away must not end the sweep
                log_failure(logger, f"{len(some)} sessions could not be checked", error)
                found = []
            for socket, standing in zip(some, found):  # noqa: B905 - reason: none where the look failed
                socket.stand(standing)
            for socket in some:
                self.note(socket)


def _period() -> float:
    spread = random.uniform(0.8, 1)  # noqa: S311 - reason: only spreads load
    return chat_settings().session_check_seconds * spread
