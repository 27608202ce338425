"""The nudge to the workers; the bell itself is in `test_publishing`."""

import asyncio

from chatrouting.stream.doorbell import ring_stop, stops
from tests.stream.streams import new_id


async def test_a_nudge_reaches_every_worker_that_listens():
    run_id, heard = new_id(), []

    async def listen():
        async for each in stops():
            if each == "ready":
                ready.release()
            elif each == run_id:
                heard.append(each)
                return

    ready = asyncio.Semaphore(0)
    workers = [asyncio.create_task(listen()) for _ in range(2)]
    async with asyncio.timeout(5):
        for _ in workers:
            while ready.locked():  # a nudge is heard only by who listens already
                await ring_stop("ready")
                await asyncio.sleep(0.01)
            await ready.acquire()
        while not all(worker.done() for worker in workers):
            await ring_stop(run_id)
            await asyncio.sleep(0.01)

    assert set(heard) == {run_id}
