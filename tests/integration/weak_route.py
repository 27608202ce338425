"""A route that fails when it is asked to, one of the project's own, and people who ask."""

import asyncio

from chatrouting.database import in_database
from chatrouting.testing.people import make_people

WEAK, OWN = "test.weak", "list_threads"


async def connect_all(web, count):
    people = await in_database(make_people, count)
    return [await web.connect(each) for each in people]


async def close_all(*clients):
    for each in clients:
        await each.close()


async def come(client, how):
    """Send a message that goes well or badly. The code or type of the answer."""
    answer = await client.ask(WEAK, come=how)
    return answer["payload"].get("code", answer["type"])


async def comes_to(client, kind, how="good", seconds=5):
    """Ask again and again until it is answered like this."""
    async with asyncio.timeout(seconds):
        while await come(client, how) != kind:
            await client.ask("heartbeat")


async def open_for_all(clients):
    """Five failures in a row, of three people.

    What calls came to is told after their answers, and whoever asks next there waits for it; a success that
    another process tells before would begin the row anew.
    """
    for each in (*clients[:3], *clients[:2]):
        assert await come(each, "bad") == "internal"
    assert await come(clients[3], "good") == "circuit_open"
