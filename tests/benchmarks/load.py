"""The load generator: opens sockets, has events published, counts what comes and what it cost.

Started with a `Task` as its argument; says an `Outcome`. Runs in the environment `.bench`.
"""

import asyncio
import sys
from pathlib import Path
from typing import Self

import msgspec
import uvloop

from tests.benchmarks.arrivals import Arrivals
from tests.benchmarks.course import Course, fan, stream
from tests.benchmarks.kernel import cpu_seconds, memory_kb
from tests.benchmarks.plan import OUTSTANDING, Account, Idle, Measure, Outcome, Phase, Task
from tests.benchmarks.publishing import READY, Kind
from tests.benchmarks.sockets import Device, close, connect, endings

WARM_SOCKETS = 5
WARM_EVENTS = 2
SETTLE_SECONDS = 1.0


class Publisher:
    """The process that publishes. Say how many events each of its users is to get."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, command: tuple[str, ...], kind: Kind, people: list[Account]) -> Self:
        """Raises `RuntimeError` where it does not come up."""
        process = await asyncio.create_subprocess_exec(
            *command,
            kind,
            *(person.user_id for person in people),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        if (await process.stdout.readline()).strip() != READY.encode():
            raise RuntimeError("the publisher did not start")
        return cls(process)

    def say(self, count: int) -> None:
        """So many events more for each user."""
        self._process.stdin.write(f"{count}\n".encode())

    async def stop(self) -> list[str]:
        """Let it end; what went wrong in it."""
        self._process.stdin.close()
        code = await self._process.wait()
        return [f"the publisher ended with exit code {code}"] if code else []


async def fan_out(task: Task, people: list[Account]) -> Outcome:
    """All sockets are of one user, who gets one event after another."""
    effort, person = task.effort, people[0]
    devices = await connect(task, [person] * effort.sockets, Arrivals(effort.sockets))
    publisher = await Publisher.start(task.publisher, Kind.EVENT, [person])
    course = Course(task, devices, publisher)
    await course.window(fan(WARM_EVENTS, 0.01))
    windows = {
        Measure.ONE: await course.repeat(Measure.ONE, fan(1, effort.seconds)),
        Measure.SEVERAL: await course.repeat(Measure.SEVERAL, fan(OUTSTANDING, effort.seconds)),
    }
    errors = [*endings(devices), *await publisher.stop()]
    await close(devices)
    return Outcome(windows, None, devices[0].frame_bytes, errors)


async def streaming(task: Task, people: list[Account]) -> Outcome:
    """Every user has one socket. At first nothing happens; then some of them get deltas, and answers."""
    effort = task.effort
    idle, devices = await _idle(task, people[: effort.sockets])
    windows, errors = {}, []
    for measure, kind in ((Measure.STREAM, Kind.DELTA), (Measure.ANSWERS, Kind.ANSWER)):
        publisher = await Publisher.start(task.publisher, kind, people[: effort.users])
        for device in devices:
            device.begin()
        course = Course(task, devices, publisher)
        await course.window(stream(effort.users, WARM_EVENTS))
        windows[measure] = await course.repeat(measure, stream(effort.users, effort.deltas))
        errors += await publisher.stop()
    errors += endings(devices)
    await close(devices)
    size = max(device.frame_bytes for device in devices)
    return Outcome(windows, idle, size, errors)


async def _idle(task: Task, people: list[Account]) -> tuple[Idle, list[Device]]:
    arrivals = Arrivals(1)
    await close(await connect(task, people[:WARM_SOCKETS], arrivals))
    await asyncio.sleep(SETTLE_SECONDS)
    memory, cpu = memory_kb(task.server_pid), cpu_seconds(task.server_pid)
    devices = await connect(task, people, arrivals)
    connecting = cpu_seconds(task.server_pid) - cpu
    await asyncio.sleep(SETTLE_SECONDS)
    grown, cpu = memory_kb(task.server_pid) - memory, cpu_seconds(task.server_pid)
    await asyncio.sleep(task.effort.idle_seconds)
    busy = (cpu_seconds(task.server_pid) - cpu) / task.effort.idle_seconds
    return Idle(grown / len(people), busy * 100, connecting / len(people) * 1000), devices


PHASES = {Phase.FAN_OUT: fan_out, Phase.STREAM: streaming}


async def main(task: Task, people: list[Account]) -> Outcome:
    """Do the task; whatever stops it becomes its one error."""
    try:
        return await PHASES[task.phase](task, people)
    except Exception as error:  # noqa: BLE001 - reason: whatever a server does is told beside the rest
        return Outcome(errors=[f"{type(error).__name__}: {error}"])


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Task)
    accounts = msgspec.json.decode(Path(given.accounts).read_bytes(), type=list[Account])
    found = uvloop.run(main(given, accounts))
    sys.stdout.buffer.write(msgspec.json.encode(found))
