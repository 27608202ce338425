"""uvicorn as this project runs it: what it writes and takes, who is heard is there, how it ends.

What both servers hold of clients that read nothing stands in `integration/test_backpressure.py`.
"""

import asyncio
import signal
import socket

import pytest
from uvicorn import Config, Server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from chatrouting.agents.messages import AgentThinking
from chatrouting.database import in_database
from chatrouting.serving.uvicorn import DirectProtocol
from chatrouting.stream.publishing import Event, publish
from chatrouting.testing.people import make_person
from tests.faults.mute import Mute

EVENTS, MESSAGES = 200, 30  # fewer than may be in flight
MEBIBYTE = 1024 * 1024
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


@pytest.fixture(scope="module")
def served(system):
    return system.web(SERVER="uvicorn")


@pytest.fixture
def leaving(system):
    """One that a test ends."""
    return system.web(SERVER="uvicorn", CHATROUTING_DRAIN_SECONDS="0.5")


@pytest.fixture
async def alice(services):
    return await in_database(make_person, "alice")


async def tell(person, count, size=10):
    for number in range(count):
        event = Event(AgentThinking(text="x" * size, step=number + 1))
        (record,) = await publish([person.user_id], event)
    return record.seq


async def test_what_is_written_to_the_transport_and_what_is_sent_keep_their_orders(served, alice):
    """Rows 35, 40: events go the direct way, replies too, while both are made."""
    async with await served.connect(alice) as a:
        telling = asyncio.create_task(tell(alice, EVENTS))
        asked = [await a.say("ping") for _ in range(MESSAGES)]
        for id in asked:
            await a.reply(id)
        await a.at(await telling)
        a.check_order()
        assert [frame["id"] for frame in a.frames if "id" in frame] == asked


async def test_a_message_in_several_pieces_is_one(served, alice):
    """A character may be torn between two of them."""
    async with await served.connect(alice) as a:
        text = '{"type":"no_such_tÿpe","id":"torn"}'.encode()
        middle = text.index("ÿ".encode()) + 1
        await a.send_text_bytes(text[:middle], text[middle:])
        answer = await a.reply("torn")
    assert answer["payload"]["code"] == "unknown_type"


async def test_text_that_is_not_utf8_ends_the_socket_alone(served, alice):
    """Row 21: close code 1007, and no traceback of it."""
    async with await served.connect(alice) as a, await served.connect(alice) as other:
        await a.send_text_bytes(b'{"type":"\xff"}')
        assert await a.closed() == 1007
        assert (await other.ping())["type"] == "pong"
    served.assert_no_traceback()


async def test_a_message_over_a_mebibyte_ends_the_socket_alone(served, alice):
    """Row 19: close code 1009."""
    async with await served.connect(alice) as a, await served.connect(alice) as other:
        await a.send(" " * (MEBIBYTE + 1))
        assert await a.closed() == 1009
        assert (await other.ping())["type"] == "pong"
    served.assert_no_traceback()


async def test_nothing_is_written_behind_a_close(served, alice):
    """Row 43: events that come while a socket is being closed break nothing."""
    async with await served.connect(alice) as a:
        telling = asyncio.create_task(tell(alice, EVENTS))
        await a.send_text_bytes(b"\xff")
        assert await a.closed() == 1007
        last = await telling
    async with await served.connect(alice, since=(a.welcome["epoch"], a.seq)) as back:
        await back.at(last)
        back.check_order()
    served.assert_no_traceback()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_takes_leave_of_every_socket_and_ends_with_0(leaving, alice, number):
    """Rows 58, 70: also of one who reads nothing, which keeps nobody waiting."""
    async with await leaving.connect(alice) as a, Mute(leaving, alice):
        await a.at(
            await tell(alice, 80, 64 * 1024)
        )  # more than the kernel takes, less than ends it
        leaving.process.send_signal(number)
        assert (await a.expect_close(4200))["reconnect"] == "resume"
        assert await asyncio.to_thread(leaving.stop, number) == 0
    assert "did not end in order" not in leaving.output
    leaving.assert_no_traceback()
