"""The way of a run to a worker: by priority, once, and to whom it is meant for."""

import asyncio

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from redis.exceptions import ConnectionError as NotConnected

from chatrouting.agents import queue as queueing
from chatrouting.agents.models import Run
from chatrouting.agents.queue import QUEUES, QueueReader, RunQueue, queue_key
from chatrouting.agents.statuses import Priority
from chatrouting.stream.valkey import valkey
from tests.agents.queued import depth
from tests.agents.waiting import until
from tests.stream.peers import Peer


async def put(queue, *runs):
    """Enqueue these and wait until they stand there."""
    for run in runs:
        queue.put(run)
    await until(lambda: _async(not queue._waiting))


async def _async(value):
    return value


def a_run(priority=Priority.MESSAGE, fence=0):
    return Run(priority=priority, fence=fence)


async def taken(count, most=1, queues=QUEUES):
    """What a worker takes, so many at a time, until it has as many."""
    reader, found = QueueReader(queues), []
    try:
        async with asyncio.timeout(5):
            while len(found) < count:
                found += await reader.take(most)
    finally:
        reader.close()
    return found


def ids(*runs):
    return [run.pk for run in runs]


@pytest.mark.parametrize("most", [1, 10])
async def test_a_worker_takes_start_before_message_before_background(queue, most):
    """Row 47: equal priority first in, first out."""
    background, message, later, start = (
        a_run(priority)
        for priority in (Priority.BACKGROUND, Priority.MESSAGE, Priority.MESSAGE, Priority.START)
    )
    await put(queue, background, message, later, start)

    assert await taken(4, most) == ids(start, message, later, background)


async def test_what_comes_from_two_processes_is_taken_in_the_order_it_came(queue):
    other, runs = RunQueue(), [a_run() for _ in range(6)]
    for number, run in enumerate(runs):
        await put((queue, other)[number % 2], run)
    await other.close()

    assert await taken(6, 10) == ids(*runs)


async def test_a_worker_takes_no_more_than_it_asks_for(queue):
    """What it has no room for is there for others, and for a higher priority that comes meanwhile."""
    first, second, start = a_run(), a_run(), a_run(Priority.START)
    await put(queue, first, second)

    assert await taken(1) == ids(first)
    await put(queue, start)
    assert await taken(2) == ids(start, second)


async def test_many_at_once_are_taken_by_priority_each_once(queue):
    """Row 47: by two workers, whatever each asks for."""
    runs = [a_run(priority) for priority in list(Priority) * 80]
    await put(queue, *runs)

    one, other = await asyncio.gather(taken(120, 10), taken(100, 7))
    rest = await taken(len(runs) - len(one) - len(other), 10) if await depth() else []

    assert sorted([*one, *other, *rest]) == sorted(ids(*runs))
    priorities = {run.pk: run.priority for run in runs}
    for found in (one, other, rest):
        assert [priorities[each] for each in found] == sorted(priorities[each] for each in found)


async def test_a_worker_that_waits_is_given_what_comes(queue):
    run = a_run()
    waiting = asyncio.create_task(taken(1))
    await put(queue, run)

    assert await waiting == ids(run)


async def test_a_worker_that_nothing_comes_for_asks_again(queue, monkeypatch):
    monkeypatch.setattr(queueing, "NEWS_SECONDS", 0.05)
    reader = QueueReader()

    assert await reader.take(10) == []

    run = a_run()
    await put(queue, run)
    assert await reader.take(10) == ids(run)
    reader.close()


async def test_a_run_that_is_enqueued_again_is_there_once_and_keeps_its_place(queue):
    first, second = a_run(), a_run()
    await put(queue, first, second)
    await put(queue, first)

    assert await depth() == 2
    assert await taken(2) == ids(first, second)


async def test_a_run_that_was_claimed_in_between_can_be_enqueued_again(queue):
    run = a_run()
    await put(queue, run)
    run.fence = 1
    await put(queue, run)

    assert await taken(2) == ids(run, run)


async def test_a_worker_takes_from_the_queues_it_is_told(queue):
    message, start = a_run(), a_run(Priority.START)
    await put(queue, message, start)

    assert await taken(1, 10, ("start",)) == ids(start)
    assert await depth() == 1
    assert await taken(1, 10) == ids(message)


async def test_a_flushed_queue_is_one_that_runs_come_by_as_before(queue):
    """Also where the script is gone with it."""
    await put(queue, a_run())
    await valkey().call("DEL", queue_key("message"))
    await valkey().call("SCRIPT", "FLUSH")
    run = a_run()
    await put(queue, run)

    assert await taken(1) == ids(run)


async def test_a_worker_whose_connection_is_cut_takes_over_another(queue):
    reader, run = QueueReader(), a_run()
    taking = asyncio.create_task(reader.take(1))
    await until(lambda: _async(reader._wire is not None))
    reader.close()
    with pytest.raises(NotConnected):
        await taking
    await put(queue, run)

    assert await reader.take(1) == ids(run)
    reader.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--queues", "fast"], "there is no queue 'fast'; there are start, message, background"),
        (["--queues", ","], "there are start, message, background"),
        (["--concurrency", "0"], "'0' is no number from 1 to 10000"),
        (["--concurrency", "many"], "'many' is no number from 1 to 10000"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_allowed(arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("run_agents", *arguments)


async def test_what_is_to_be_sent_later_is_left_to_the_sweep_where_the_queue_closes(queue):
    queue.put_later(a_run(), 0.01)

    await queue.close()
    await asyncio.sleep(0.05)  # nothing tells of what does not happen

    assert queue._sender is None


async def test_what_is_due_later_is_sent_then(queue):
    queue.put_later(a_run(), 0.01)

    async def there():
        return await depth() == 1

    await until(there)
    assert not queue._later


async def test_what_waits_is_sent_before_the_queue_closes(queue):
    for _ in range(3):
        queue.put(a_run())

    await queue.close()

    assert await depth() == 3


async def test_a_queue_that_does_not_answer_holds_up_no_process_that_ends(tmp_path):
    async with Peer(tmp_path / "mute.sock", lambda _: b"") as peer:
        with override_settings(REDIS_URL=peer.url):
            queue = RunQueue()
            queue.put(a_run())
            await asyncio.wait_for(queue.close(), 3)

    assert queue._sender.done()


async def test_no_more_than_so_many_wait_to_be_sent(queue, monkeypatch, caplog):
    monkeypatch.setattr(queueing, "WAITING", 2)
    runs = [a_run() for _ in range(3)]
    for run in runs:
        queue.put(run)
    await queue.close()

    assert await taken(2) == ids(*runs[:2])
    assert f"run {runs[2].pk} is left to the sweep" in caplog.text


async def test_what_is_not_taken_is_sent_again(queue, monkeypatch, caplog):
    """Each once, whatever came of the first try."""
    monkeypatch.setattr(queueing, "RETRY_SECONDS", 0.01)
    runs = [a_run() for _ in range(3)]
    await valkey().call("SET", queue_key("message"), "damaged")
    for run in runs:
        queue.put(run)

    async def refused():
        return "the run queue does not answer" in caplog.text

    await until(refused)
    await valkey().call("DEL", queue_key("message"))

    assert await taken(3, 10) == ids(*runs)
    assert await depth() == 0
