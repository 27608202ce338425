"""The way of a run to a worker: by priority, once, and to whom it is meant for."""

import asyncio
import gc
import uuid
from contextlib import asynccontextmanager

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from streaq.constants import REDIS_GROUP

from chatrouting.agents import queue as queueing
from chatrouting.agents.models import Run
from chatrouting.agents.queue import QUEUES, TASK, RunQueue, streaq_worker
from chatrouting.agents.statuses import Priority
from chatrouting.conf import chat_settings
from chatrouting.stream.valkey import valkey
from tests.agents.waiting import until
from tests.stream.peers import Peer

# streaQ 7.2 leaves open what it passes jobs through when its worker is cancelled.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
async def queue(monkeypatch):
    """A queue that no other worker takes from."""
    own = msgspec.structs.replace(chat_settings(), queue=f"test-{uuid.uuid4().hex}")
    monkeypatch.setattr(queueing, "chat_settings", lambda: own)
    made = RunQueue()
    yield made
    await made.close()


async def put(queue, *runs):
    """Enqueue these and wait until they stand there."""
    for run in runs:
        queue.put(run)

    async def there():
        return await depth() >= len({(run.pk, run.fence) for run in runs})

    await until(there)


async def depth():
    async with streaq_worker() as worker:
        return await worker.queue_size()


def a_run(priority=Priority.MESSAGE, fence=0):
    return Run(priority=priority, fence=fence)


@asynccontextmanager
async def working(taken, go=None, **intake):
    """A worker that notes what it takes, and stays with each run until `go` is set."""
    worker = streaq_worker(**{"concurrency": 1, **intake})

    @worker.task(name=TASK, max_tries=None, timeout=None, ttl=0, silent=True)
    async def execute(run_id):
        taken.append(run_id)
        if go is not None:
            await go.wait()

    task = asyncio.create_task(worker.run_async())
    yield
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.2)
    gc.collect()  # here, where it may warn


async def taken_by(queue, count, **intake):
    taken = []

    async def all_taken():
        return len(taken) >= count

    async with working(taken, **intake):
        await until(all_taken)
    return taken


def ids(*runs):
    return [str(run.pk) for run in runs]


async def test_a_worker_takes_start_before_message_before_background(queue):
    """Row 47: equal priority first in, first out."""
    background, message, later, start = (
        a_run(priority)
        for priority in (Priority.BACKGROUND, Priority.MESSAGE, Priority.MESSAGE, Priority.START)
    )
    await put(queue, background, message, later, start)

    assert await taken_by(queue, 4) == ids(start, message, later, background)


async def test_a_busy_worker_holds_nothing_back_for_later(queue):
    """Row 47: what came first in a low queue does not come before what came last in a high one."""
    busy, background, start = a_run(), a_run(Priority.BACKGROUND), a_run(Priority.START)
    taken, go = [], asyncio.Event()

    async def took(count):
        await until(lambda: _async(len(taken) >= count))

    async with working(taken, go):
        await put(queue, busy)
        await took(1)
        await put(queue, background)
        await put(queue, start)
        go.set()
        await took(3)

    assert taken == ids(busy, start, background)


async def _async(value):
    return value


async def test_many_queues_that_fill_at_once_are_taken_by_priority(queue):
    """Row 47: also by a worker that was waiting with many free places."""
    runs = [a_run(priority) for priority in list(Priority) * 40]
    taken, go, places = [], asyncio.Event(), 10

    async with working(taken, go, concurrency=places):
        await put(queue, *runs)
        go.set()
        await until(lambda: _async(len(taken) >= len(runs)))

    assert sorted(taken) == sorted(ids(*runs))
    # The first were not taken from among all; what is taken together begins in any order.
    priorities = {str(run.pk): run.priority for run in runs}
    waited = [priorities[run_id] for run_id in taken[places:]]
    assert all(one <= min(waited[n + 2 * places :], default=one) for n, one in enumerate(waited))


async def test_a_run_that_is_enqueued_again_is_there_once_and_keeps_its_place(queue):
    first, second = a_run(), a_run()
    await put(queue, first, second)
    await put(queue, first)

    assert await depth() == 2
    assert await taken_by(queue, 2) == ids(first, second)


async def test_a_run_that_was_claimed_in_between_can_be_enqueued_again(queue):
    run = a_run()
    await put(queue, run)
    run.fence = 1
    queue.put(run)

    assert await taken_by(queue, 2) == ids(run, run)


@pytest.mark.parametrize(("seconds", "again"), [(10, False), (31, True)])
async def test_a_job_that_is_begun_late_is_not_given_to_another_soon(queue, seconds, again):
    """Or workers that are all late would do nothing but take each other's."""
    late, other = a_run(), a_run()
    await put(queue, late)
    await read_by_another(seconds)
    await put(queue, other)

    assert (await taken_by(queue, 1))[:1] == ids(late if again else other)


async def read_by_another(seconds):
    """A worker has taken the job that stands in the queue so long ago, and not begun it."""
    async with streaq_worker() as worker:
        stream = worker.stream_key + Priority.MESSAGE.queue
        await valkey().call("XGROUP", "CREATE", stream, REDIS_GROUP, "0")
        reading = ("XREADGROUP", "GROUP", REDIS_GROUP, "late", "STREAMS", stream, ">")
        ((_, ((entry, _),)),) = await valkey().call(*reading)
        idle = ("IDLE", str(1_000 * seconds))
        await valkey().call("XCLAIM", stream, REDIS_GROUP, "late", "0", entry, *idle)


async def test_every_server_is_read_in_one_way():
    """It is not asked for another: the worker has no connection yet."""
    worker = streaq_worker()

    await worker._check_xreadgroup_compatibility()

    assert not worker._supports_max_count


async def test_a_worker_takes_from_the_queues_it_is_told(queue):
    message, start = a_run(), a_run(Priority.START)
    await put(queue, message, start)

    assert await taken_by(queue, 1, queues=("start",)) == ids(start)
    assert await depth() == 1
    assert await taken_by(queue, 1, queues=QUEUES) == ids(message)


async def test_a_worker_that_ends_while_it_connects_logs_no_error(tmp_path, caplog):
    asked = asyncio.Event()
    async with Peer(tmp_path / "mute.sock", lambda _: (asked.set(), b"")[1]) as peer:
        with override_settings(REDIS_URL=peer.url):
            working = asyncio.create_task(streaq_worker().run_async())
        await asyncio.wait_for(asked.wait(), 5)
        working.cancel()
        await asyncio.wait({working}, timeout=5)

    assert working.cancelled()
    assert not caplog.records


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


async def test_what_waits_is_sent_before_the_queue_closes(queue):
    for _ in range(3):
        queue.put(a_run())

    await queue.close()

    assert await depth() == 3


async def test_a_queue_that_does_not_answer_is_given_up_and_the_next_run_is_sent(
    queue, monkeypatch, caplog
):
    """A wait without a bound would keep whatever comes after it as well."""
    first, lost, after = a_run(), a_run(), a_run()
    with monkeypatch.context() as impatient:
        impatient.setattr(queueing, "ANSWER_SECONDS", 0.3)
        await put(queue, first)
    await valkey().call("CLIENT", "PAUSE", "1000", "ALL")
    queue.put(lost)

    async def given_up():
        return "the run queue does not answer" in caplog.text

    await until(given_up)
    queue.put(after)
    taken = []
    async with working(taken, concurrency=3):
        await until(lambda: _async(str(after.pk) in taken))
