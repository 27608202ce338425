"""Child processes that are kept running: what they say is passed on, one that ends is started again."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chatrouting.serving.parent import Lifeline

BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 10.0
LINE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """What to start, and under which name it is spoken of.

    `stop_seconds` is how long it may take to end once it is asked to.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float


class Children:
    """Keeps children running until `stop`. Each is in a session of its own, so Ctrl-C reaches only us."""

    def __init__(self, say: Callable[[str, str], None], lifeline: Lifeline) -> None:
        """`say(name, line)` is called for what a child says, and for what happens to it."""
        self._say = say
        self._lifeline = lifeline
        self._running: dict[Child, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def keep(self, child: Child) -> None:
        """Run the child, again and again, until `stop`."""
        failures = 0
        while not self._stopping.is_set():
            began = _now()
            code = await self._run(child)
            if self._stopping.is_set():
                return
            failures = 0 if _now() - began > STEADY_SECONDS else failures + 1
            pause = BACKOFF_SECONDS[min(max(failures - 1, 0), len(BACKOFF_SECONDS) - 1)]
            self._say(
                child.name, f"{child.name} ended {_how(code)}; it starts again in {pause:g} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        """Ask all to end, wait for each as long as it may take, then make it."""
        self._stopping.set()
        running = list(self._running.items())
        await asyncio.gather(*(_end(process, child.stop_seconds) for child, process in running))

    async def _run(self, child: Child) -> int:
        process = await asyncio.create_subprocess_exec(
            *child.command,
            env={**os.environ, **child.environment, **self._lifeline.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES,
            pass_fds=(self._lifeline.read_end,),
            start_new_session=True,
        )
        self._running[child] = process
        if self._stopping.is_set():  # while it was being started
            _signal(process, signal.SIGKILL)
        try:
            await self._follow(child.name, process)
            return await process.wait()
        finally:
            del self._running[child]

    async def _follow(self, name: str, process: asyncio.subprocess.Process) -> None:
        while process.stdout is not None:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line over the limit: its rest follows as the next
                continue
            if not line:
                return
            self._say(name, line.decode(errors="replace").rstrip())


async def _end(process: asyncio.subprocess.Process, seconds: float) -> None:
    _signal(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _now() -> float:
    return asyncio.get_running_loop().time()
