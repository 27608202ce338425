"""How frames leave a socket: straight away, or behind what blocks."""

import asyncio
from types import SimpleNamespace

from chatrouting.connections.outlet import EXTENSION, PortableOutlet, outlet
from chatrouting.stream.frames import Frame
from tests.agents.waiting import until

CLOSE = {"type": "websocket.close", "code": 4200}


class Server:
    """ASGI's `send`; it blocks while `open` is not set, and raises once it is `gone`."""

    def __init__(self):
        self.sent, self.gone = [], False
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message):
        if self.gone:
            raise OSError("the client is gone")
        await self.open.wait()
        self.sent.append(message.get("text", message["type"]))


def frame(text):
    return Frame(text.encode())


async def test_what_does_not_block_is_sent_before_write_returns():
    server = Server()
    portable = PortableOutlet(server.send)

    portable.write(frame("a"))

    assert (server.sent, portable.waiting()) == (["a"], 0)


async def test_what_blocks_keeps_the_rest_in_order_and_is_told():
    server, held = Server(), []
    portable = PortableOutlet(server.send)
    portable.tell(held.append)
    server.open.clear()
    for text in ("a", "bb", "ccc"):
        portable.write(frame(text))
    assert (server.sent, portable.waiting(), held) == ([], 6, [1, 2, 3])

    server.open.set()
    await portable.finish(CLOSE)

    assert (server.sent, portable.waiting()) == (["a", "bb", "ccc", "websocket.close"], 0)


async def test_after_a_block_it_sends_at_once_again():
    server = Server()
    portable = PortableOutlet(server.send)
    server.open.clear()
    portable.write(frame("a"))
    server.open.set()

    async def drained():
        return portable.waiting() == 0

    await until(drained)
    portable.write(frame("b"))

    assert server.sent == ["a", "b"]


async def test_a_client_that_is_gone_raises_nowhere():
    """Row 63."""
    server = Server()
    portable = PortableOutlet(server.send)
    server.gone = True

    portable.write(frame("a"))

    assert portable.waiting() == 0


async def test_what_waits_is_dropped_on_abort():
    server = Server()
    portable = PortableOutlet(server.send)
    server.open.clear()
    for text in ("a", "b"):
        portable.write(frame(text))

    portable.abort()
    server.open.set()
    await portable.finish(CLOSE)

    assert server.sent == ["websocket.close"]


async def test_the_way_is_the_one_the_server_offers():
    server, written = Server(), []
    offered = {"extensions": {EXTENSION: SimpleNamespace(write=written.append)}}

    outlet(offered, server.send).write(frame("a"))
    outlet({}, server.send).write(frame("b"))

    assert ([each.text for each in written], server.sent) == (["a"], ["b"])
