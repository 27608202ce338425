"""What a worker takes from the queue: as much as it has room for, whatever becomes of Valkey."""

import asyncio
from contextlib import asynccontextmanager, suppress

from chatrouting.agents import worker as module
from chatrouting.agents.contract import Delta
from chatrouting.agents.queue import QUEUES, queue_key
from chatrouting.stream.valkey import valkey
from tests.agents.hosted import WAITING, a_host, a_run, row_of, until_told
from tests.agents.queued import depth
from tests.agents.scripted import ScriptedAgent
from tests.agents.waiting import until


@asynccontextmanager
async def at_work(**intake):
    """A worker's host that takes from the queue."""
    async with a_host(**intake) as host:
        taking = asyncio.create_task(module._keep_taking(host, QUEUES))
        yield host
        taking.cancel()
        with suppress(asyncio.CancelledError):
            await taking
        await host.hand_over(2)


async def over(run):
    async def ended():
        return (await row_of(run)).status == "completed"

    await until(ended)


async def test_what_comes_by_the_queue_is_run(install, queue):
    install(ScriptedAgent([Delta("hello")]))
    run = await a_run()

    async with at_work() as host:
        queue.put(run)
        await over(run)

        assert (await row_of(run)).worker == host.worker


async def test_a_worker_without_room_leaves_the_next_run_to_others(install, queue, caplog):
    install(ScriptedAgent(WAITING))
    first, second = await a_run(), await a_run()

    async with at_work(concurrency=1) as host:
        queue.put(first)
        await until_told(first, "agent_delta")
        queue.put(second)
        await queue.close()

        assert (host.load, await depth()) == (1, 1)
    assert "cannot be read" not in caplog.text


async def test_a_worker_takes_the_next_run_once_one_has_ended(install, queue):
    install(ScriptedAgent([Delta("hello")]))
    runs = [await a_run() for _ in range(5)]

    async with at_work(concurrency=1):
        for run in runs:
            queue.put(run)
        for run in runs:
            await over(run)


async def test_a_run_that_is_enqueued_while_it_is_at_work_here_runs_once(install, queue):
    agent = ScriptedAgent([Delta("hello"), 0.2])
    install(agent)
    run = await a_run()

    async with at_work() as host:
        queue.put(run)
        await until_told(run, "agent_delta")
        queue.put(run)  # under the same fence: it had been taken before
        await queue.close()
        await over(run)

        async def gone():
            return not host.load

        await until(gone)
    assert len(agent.seen) == 1


async def test_a_worker_takes_no_more_together_than_leaves_some_to_others(
    install, queue, monkeypatch
):
    install(ScriptedAgent([Delta("hello")]))
    asked, take = [], module.QueueReader.take

    async def noted(reader, most):
        asked.append(most)
        return await take(reader, most)

    monkeypatch.setattr(module.QueueReader, "take", noted)
    run = await a_run()
    async with at_work(concurrency=1000):
        queue.put(run)
        await over(run)

    assert asked[0] == module.TAKEN


async def test_a_worker_that_ends_lets_go_of_the_connection_on_which_it_waits(queue, monkeypatch):
    made = []

    class Noted(module.QueueReader):
        def __init__(self, queues):
            super().__init__(queues)
            made.append(self)

    monkeypatch.setattr(module, "QueueReader", Noted)
    async with at_work():
        await until(lambda: _async(made and made[0]._wire))

    await asyncio.wait_for(made[0]._wire.lost, 5)


async def _async(value):
    return value


async def test_a_queue_that_cannot_be_read_is_tried_again(install, queue, caplog):
    """It is a line of the log each time, and what is at work goes on."""
    install(ScriptedAgent([Delta("hello")]))
    run = await a_run()
    await valkey().call("SET", queue_key("start"), "damaged")

    async def refused():
        return caplog.text.count("the run queue cannot be read: ResponseError") >= 2

    async with at_work():
        await until(refused)
        await valkey().call("DEL", queue_key("start"))
        queue.put(run)
        await over(run)


async def test_a_name_that_is_no_runs_keeps_no_other_back(install, queue, caplog):
    install(ScriptedAgent([Delta("hello")]))
    run = await a_run()
    await valkey().call("ZADD", queue_key("message"), "0", "nonsense")

    async with at_work():
        queue.put(run)
        await over(run)

    assert "b'nonsense' in the run queue names no run" in caplog.text
