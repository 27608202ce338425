"""uvicorn as this project runs it: who is heard is there."""

import asyncio
import socket

import pytest
from uvicorn import Config, Server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from chatrouting.serving.uvicorn import DirectProtocol

PING_SECONDS = 0.1
PONG_SECONDS = 0.2


async def take_all(scope, receive, send):
    """Accept, and read to the end."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


@pytest.fixture
async def address():
    """A server that asks often whether somebody is there."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config(
        take_all, ws=DirectProtocol, ws_ping_interval=PING_SECONDS, ws_ping_timeout=PONG_SECONDS,
        lifespan="off", log_config=None,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    await serving


def answer_no_ping(client):
    """Its pongs are lost, as behind a flood of its own."""
    send = client.protocol.send_frame
    client.protocol.send_frame = lambda frame: frame.opcode is Opcode.PONG or send(frame)


async def lives(client, seconds, says):
    """Whether it is still open after so long; it sends all the while where it `says` something."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                await asyncio.sleep(PING_SECONDS / 2)
                if says:
                    await client.send("something")
                elif client.state.name != "OPEN":
                    return False
    except TimeoutError:
        return True
    except ConnectionClosed:
        return False


@pytest.mark.parametrize("says", [True, False], ids=["one who speaks", "one who is silent"])
async def test_only_who_is_not_heard_is_taken_for_gone(address, says):
    """Row 57: a pong may stand behind much that is not read yet."""
    async with connect(address, ping_interval=None) as client:
        answer_no_ping(client)
        assert await lives(client, 1.0, says) is says
