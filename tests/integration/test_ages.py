"""How old a socket becomes."""

import asyncio

SECONDS = 3
SOCKETS = 20
EARLIEST, LATEST = 0.9 * SECONDS, SECONDS
LATENCY = 0.5  # seconds: what a busy machine may be late, with the welcome or with the bye


async def test_sockets_that_come_together_do_not_all_go_at_one_moment(system, alice):
    """Row 62: maximum age of a socket, with jitter: else all would come back at once, for ever."""
    web = system.web(CHATROUTING_CONNECTION_SECONDS=str(SECONDS))
    loop = asyncio.get_running_loop()

    async def age():
        client = await web.connect(alice)
        welcomed_at = loop.time()
        await client.until(lambda: client.frames[-1]["type"] == "bye", "bye")
        told_at = loop.time()
        await client.expect_close(4204)
        return told_at - welcomed_at

    ages = sorted(await asyncio.gather(*(age() for _ in range(SOCKETS))))

    assert ages[0] > EARLIEST - LATENCY
    assert ages[-1] < LATEST + LATENCY
    assert ages[-1] - ages[0] > 0.15
