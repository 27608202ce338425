"""The lock on a data folder: one embedded Valkey at a time."""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from chatrouting.datafolder import private_folder

# A holder that was killed leaves its Valkey behind for a moment; it is ended by its guard.
LEFT_BEHIND_SECONDS = 10.0
POLL_SECONDS = 0.02


class FolderInUse(Exception):
    """Another process holds the folder. `pid` is that process, where it is known."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        super().__init__(folder, pid)
        self.folder = folder
        self.pid = pid

    def __str__(self) -> str:
        holder = f"process {self.pid}" if self.pid else "another process"
        return f"{self.folder} is in use by {holder}. Stop that one, or set DATA_DIR to another folder."


class FolderLock:
    """An exclusive lock that ends with the processes that hold its descriptor, however they end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fd: int | None = None

    def take(self) -> int:
        """Take the lock and return its descriptor. Raises `FolderInUse`, `ForeignFolder`."""
        fd = os.open(private_folder(self.folder) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait(fd)
        except FolderInUse:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return fd

    def _wait(self, fd: int) -> None:
        deadline = time.monotonic() + LEFT_BEHIND_SECONDS
        while not _locked(fd):
            pid = _holder(fd)
            if (pid is not None and _alive(pid)) or time.monotonic() > deadline:
                raise FolderInUse(self.folder, pid)
            time.sleep(POLL_SECONDS)

    def release(self) -> None:
        """Give the lock up; nothing happens where it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> "FolderLock":
        self.take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _locked(fd: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _holder(fd: int) -> int | None:
    text = os.pread(fd, 20, 0)
    return int(text) if text.isdigit() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _ended(pid)


def _ended(pid: int) -> bool:
    """Whether it ended and only waits to be reaped. Only Linux can tell without asking another program."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")
