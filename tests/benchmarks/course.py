"""What is measured again and again on open sockets: the loads, and the meters around them."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

from tests.benchmarks.arrivals import Arrivals
from tests.benchmarks.kernel import cpu_seconds
from tests.benchmarks.order import Order
from tests.benchmarks.plan import Measure, Task, Window
from tests.benchmarks.profiling import Profiler


class Publishing(Protocol):
    """A process that publishes. `say` how many events each of its users is to get."""

    pid: int

    def say(self, count: int) -> None: ...


class Receiver(Protocol):
    """A socket. It has an order once it is ready."""

    arrivals: Arrivals
    order: Order | None


# Has events published, waits for them, and says how many it asked for.
Load: TypeAlias = Callable[[Arrivals, Publishing], Awaitable[int]]


def fan(outstanding: int, seconds: float) -> Load:
    """For so long, publish the next event as soon as fewer than `outstanding` are on their way."""

    async def load(arrivals: Arrivals, publisher: Publishing) -> int:
        asked, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            publisher.say(1)
            asked += 1
            if not await arrivals.until(asked - outstanding + 1):
                return asked
        await arrivals.until(asked)
        return asked

    return load


def stream(users: int, deltas: int) -> Load:
    """Every user gets so many events, as fast as they can be published."""

    async def load(arrivals: Arrivals, publisher: Publishing) -> int:
        publisher.say(deltas)
        await arrivals.until(users * deltas)
        return users * deltas

    return load


class Course:
    """Open sockets, a publisher, and the meters that are read around a window."""

    def __init__(self, task: Task, devices: Sequence[Receiver], publisher: Publishing) -> None:
        self._task = task
        self._devices = devices
        self._publisher = publisher
        self.arrivals = devices[0].arrivals

    async def window(self, load: Load) -> Window:
        """Measure this load."""
        self.arrivals.begin()
        faults, before, began = self._faults(), self._cpu(), time.perf_counter()
        events = await load(self.arrivals, self._publisher)
        seconds, after = time.perf_counter() - began, self._cpu()
        cpu = [end - start for start, end in zip(before, after, strict=True)]
        return Window(
            self.arrivals.count,
            events * self.arrivals.copies - self.arrivals.count,
            self._faults() - faults,
            seconds,
            *cpu,
            self.arrivals.latencies_ms,
        )

    async def repeat(self, measure: Measure, load: Load) -> list[Window]:
        """The same window several times, fewer where it takes long; while a profiler runs, until it is done."""
        effort = self._task.effort
        profiler = Profiler(self._task.profile, measure, self._task.server_pid)
        windows = [await self.window(load)]
        while profiler.running or (
            len(windows) < effort.repeats and _took(windows) < effort.patience
        ):
            windows.append(await self.window(load))
        return windows

    def _faults(self) -> int:
        return sum(device.order.faults for device in self._devices if device.order)

    def _cpu(self) -> tuple[float, float, float, float]:
        pids = (self._task.server_pid, self._task.valkey_pid, self._publisher.pid)
        server, valkey, publisher = (cpu_seconds(pid) for pid in pids)
        return server, valkey, publisher, time.process_time()


def _took(windows: Sequence[Window]) -> float:
    return sum(window.seconds for window in windows)
