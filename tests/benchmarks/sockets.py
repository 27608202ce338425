"""The load generator's side of a socket: takes frames, checks their order, hands them on to be counted."""

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from picows import WSListener, WSMsgType, ws_connect

from tests.benchmarks.arrivals import Arrivals
from tests.benchmarks.order import Order
from tests.benchmarks.plan import Account, Task

HANDSHAKE_SECONDS = 30
AT_ONCE = 20
CLOSE_SECONDS = 10
SEQ = re.compile(rb'"seq":\s?(\d+)')


class Device(WSListener):
    """One socket. `ended` says how it ended, where it was not us."""

    def __init__(self, arrivals: Arrivals, *, welcomed: bool) -> None:
        self.arrivals = arrivals
        self.order: Order | None = None
        self.ready = asyncio.Event()
        self.ended = ""
        self.frame_bytes = 0
        self._leaving = False
        self._welcomed = welcomed
        self.begin()

    def begin(self) -> None:
        """A publisher begins: where nothing says where the stream stands, it numbers its events from 1."""
        if not self._welcomed:
            self.order = Order(0)
            self.ready.set()

    def on_ws_connected(self, transport: Any) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        payload = frame.get_payload_as_bytes()
        found = SEQ.search(payload) if frame.msg_type == WSMsgType.TEXT else None
        if found is None:
            self._other(frame, payload)
        elif self.order is None:
            self.order = Order(json.loads(payload)["payload"]["seq"])
            self.ready.set()
        else:
            seq = int(found[1])
            self.order.take(seq)
            self.frame_bytes = len(payload)
            self.arrivals.take(seq, payload)

    def on_ws_disconnected(self, transport: Any) -> None:
        if not self._leaving and not self.ended:
            self.ended = "cut off"
        self.ready.set()

    def leave(self) -> None:
        """Close it from our side."""
        self._leaving = True
        self.transport.disconnect()

    def _other(self, frame: Any, payload: bytes) -> None:
        """What is no event: a close, or the word before it."""
        if frame.msg_type == WSMsgType.CLOSE:
            self.ended = f"closed with {frame.get_close_code()}"
            self.transport.disconnect()


async def connect(task: Task, people: Sequence[Account], arrivals: Arrivals) -> list[Device]:
    """A socket for each of these people, and they are ready for events. Raises what picows raises."""
    waiting = iter(people)
    devices: list[Device] = []

    async def some() -> None:
        for person in waiting:
            devices.append(await _connect(task, person, arrivals))

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return devices


async def _connect(task: Task, person: Account, arrivals: Arrivals) -> Device:
    _, device = await ws_connect(
        lambda: Device(arrivals, welcomed=task.welcomed),
        f"{task.origin.replace('http', 'ws', 1)}{task.path}",
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        extra_headers={"Cookie": person.cookie, "Origin": task.origin},
    )
    await asyncio.wait_for(device.ready.wait(), HANDSHAKE_SECONDS)
    return device


async def close(devices: Iterable[Device]) -> None:
    """Leave, and wait until every socket is gone."""
    for device in devices:
        device.leave()
    async with asyncio.timeout(CLOSE_SECONDS):
        for device in devices:
            await device.transport.wait_disconnected()


def endings(devices: Iterable[Device]) -> list[str]:
    """How sockets ended that we did not close, each way once with its number."""
    found = [device.ended for device in devices if device.ended]
    return [f"{found.count(how)} sockets: {how}" for how in sorted(set(found))]
