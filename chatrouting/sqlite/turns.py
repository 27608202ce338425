"""Whose turn it is to write: one thread of a process at a time, and one process of a machine.

SQLite lets who finds the database locked sleep and try again, up to 100 ms at a time, and whoever tries at
the right moment is next: of twenty that come together some waited for half a second, and a process that
writes one transaction after another is hardly ever found between two. A lock wakes who waits for it at once.
"""

import fcntl
import os
import threading
import time
from contextlib import suppress
from enum import Enum, auto


class Turn:
    """The turn to write to one database. `path`: of a file that is locked for it; None: in this process only.

    A process that dies in its turn has passed it on. The file stays, and holds nothing. Where it cannot be
    opened or locked there are turns among threads only: SQLite keeps processes apart as well, less fairly.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._threads = threading.Lock()
        self._descriptor: int | None = None
        self._wait: _Wait | None = None

    def take(self, seconds: float) -> bool:
        """Wait for it, so long at most. False where it is still another's."""
        until = time.monotonic() + seconds
        if not self._threads.acquire(timeout=max(seconds, 0)):
            return False
        taken = False
        try:
            taken = self._take_among_processes(until)
        finally:
            if not taken:
                self._threads.release()
        return taken

    def give(self) -> None:
        """Pass it on. Whoever gives it has it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        self._threads.release()

    def _take_among_processes(self, until: float) -> bool:
        if self._wait is None or not self._wait.is_taken_up():
            descriptor = None if self._path is None else _opened(self._path)
            if descriptor is None or _locked(descriptor):
                self._descriptor = descriptor
                return True
            self._wait = _Wait(descriptor)
        if not self._wait.ends(until):
            return False
        self._descriptor, self._wait = self._wait.descriptor, None
        return True


def _opened(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # it is another user's
        return None


def _locked(descriptor: int) -> bool:
    """False where another process has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        pass
    return True


class _State(Enum):
    """Where a wait stands."""

    WANTED = auto()
    GIVEN_UP = auto()  # the thread goes on waiting: for who takes it up again
    LOCKED = auto()  # and somebody's
    PASSED_ON = auto()  # it came for nobody


class _Wait:
    """A wait for a lock that another process has: in a thread of its own, since nothing else can cut it short."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._state = _State.WANTED
        self._changing = threading.Condition()
        threading.Thread(target=self._wait, name="turn to write", daemon=True).start()

    def is_taken_up(self) -> bool:
        """Want it again. False where it came in the meantime, for nobody."""
        with self._changing:
            if self._state is _State.GIVEN_UP:
                self._state = _State.WANTED
            return self._state is _State.WANTED

    def ends(self, until: float) -> bool:
        """Whether the lock came in time; else, and where the wait is interrupted, it is given up."""
        with self._changing:
            try:
                return self._changing.wait_for(self._is_locked, max(until - time.monotonic(), 0))
            finally:
                if not self._is_locked():
                    self._state = _State.GIVEN_UP

    def _is_locked(self) -> bool:
        return self._state is _State.LOCKED

    def _wait(self) -> None:
        with suppress(OSError):  # as where it is tried at once
            fcntl.flock(self.descriptor, fcntl.LOCK_EX)
        with self._changing:
            if self._state is _State.WANTED:
                self._state = _State.LOCKED
                self._changing.notify()
            else:
                self._state = _State.PASSED_ON
                os.close(self.descriptor)
