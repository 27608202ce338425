"""One WebSocket's life: accepted, live, announced before its close, and bounded all along."""

import asyncio
import json

import pytest

from chatrouting import counters
from chatrouting.conf import ChatSettings
from chatrouting.connections.socket import ROOM_BYTES, Socket, State, TooSlow
from chatrouting.stream.frames import Frame
from routing_core.closing import CloseCode


class Outlet:
    """Where frames go; `left` bytes wait for the other side."""

    def __init__(self):
        self.frames, self.left, self.aborted, self.closing = [], 0, False, False

    def tell(self, held):
        self.held = held

    def write(self, frame):
        self.frames.append(frame.text)

    def waiting(self):
        return self.left

    def is_closing(self):
        return self.closing

    def abort(self):
        self.aborted, self.left = True, 0

    async def finish(self, close):
        self.frames.append(close["code"])


class Life:
    """A socket that was accepted, and what became of it."""

    def __init__(self, **conf):
        self.outlet, self.sent, self.slow = Outlet(), [], 0
        self.socket = Socket(self.outlet, self._send, ChatSettings(**conf), self._slow)

    async def _send(self, message):
        self.sent.append(message["type"])

    def _slow(self):
        self.slow += 1

    async def opened(self):
        await self.socket.accept()
        self.socket.go_live()
        return self


async def test_it_is_accepted_and_goes_live():
    life = Life()
    assert life.socket.state is State.CONNECTING

    await life.opened()

    assert (life.sent, life.socket.is_live) == (["websocket.accept"], True)


async def test_an_answer_to_a_socket_that_the_server_closes_is_unsent():
    """Row 38: an event, of which nobody asks, stands in the log."""
    life = await Life().opened()
    assert life.socket.answer(Frame(b"a")) is True

    life.outlet.closing = True

    assert life.socket.answer(Frame(b"b")) is False


async def test_it_says_bye_once_and_nothing_after():
    life = await Life().opened()
    unsent = counters.frames_unsent._value.get()

    assert life.socket.say_bye(CloseCode.DRAINING) is True
    assert life.socket.say_bye(CloseCode.TOO_SLOW) is False
    assert life.socket.send(Frame(b"late")) is False
    await life.socket.finish()

    bye, code = life.outlet.frames
    assert (json.loads(bye)["payload"]["code"], code) == (4200, 4200)
    assert counters.frames_unsent._value.get() == unsent + 1


def test_one_that_is_not_accepted_yet_says_no_bye():
    assert Life().socket.say_bye(CloseCode.DRAINING) is False


async def test_more_than_may_wait_ends_it_once():
    """Row 43."""
    life = await Life(waiting_bytes=100).opened()
    life.outlet.left = 101

    for _ in range(2):
        life.outlet.held(101)

    assert (life.slow, life.socket.close_code) == (1, CloseCode.TOO_SLOW)
    assert len(life.outlet.frames) == 1


async def test_what_is_not_taken_in_time_is_dropped():
    life = await Life(send_seconds=0.05).opened()
    life.outlet.left = 10
    life.socket.say_bye(CloseCode.DRAINING)

    await asyncio.wait_for(life.socket.finish(), 5)

    assert life.outlet.aborted


async def test_room_is_waited_for_while_something_leaves():
    life = await Life(send_seconds=5).opened()
    life.outlet.left = ROOM_BYTES + 1
    waiting = asyncio.create_task(life.socket.room())
    await asyncio.sleep(0)
    assert not waiting.done()

    life.outlet.left = ROOM_BYTES
    await asyncio.wait_for(waiting, 5)


async def test_a_reader_of_nothing_gets_no_room():
    life = await Life(send_seconds=0.05).opened()
    life.outlet.left = ROOM_BYTES + 1

    with pytest.raises(TooSlow):
        await asyncio.wait_for(life.socket.room(), 5)


async def test_why_it_ended_first_is_why_it_ended():
    life = await Life().opened()
    life.socket.gone(1001)
    life.socket.gone()

    assert life.socket.close_code == 1001
