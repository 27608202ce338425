"""Floods an address from a process of its own, once it is told for how many seconds; says what it was rid of."""

import asyncio
import sys

from tests.integration.flood import Flooder


async def flood(url: str, origin: str, cookie: str, a_second: int) -> int:
    """How many frames left."""
    flooder = await Flooder.connect(url, {"Cookie": cookie, "Origin": origin})
    print("ready", flush=True)  # noqa: T201 - reason: told to whoever started it
    seconds, stop = float(await asyncio.to_thread(sys.stdin.readline)), asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    sent = await flooder.send("test.context", a_second, stop)
    await flooder.close()
    return sent


if __name__ == "__main__":
    print(asyncio.run(flood(*sys.argv[1:4], int(sys.argv[4]))))  # noqa: T201 - reason: as above
