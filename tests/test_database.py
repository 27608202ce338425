"""Database work from asynchronous code: side by side, bounded, and never on the loop's own thread."""

import asyncio
import contextvars
import threading
import time

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, OperationalError, connection

from chatrouting.database import DatabaseThreads, database_threads, in_database, patiently
from chatrouting.testing.people import make_person
from routing_core.errors import Overloaded


@pytest.fixture
async def threads():
    """Two threads, room for two more calls, a bound of 0.2 s; and the gate that holds their work."""
    made = DatabaseThreads(threads=2, waiting=2, seconds=0.2)
    gate = threading.Event()
    yield made, gate
    gate.set()
    made._executor.shutdown(wait=True)


async def test_the_answer_comes_back():
    person = await in_database(make_person)

    user = await in_database(get_user_model().objects.get, pk=person.user_id)

    assert user.get_username() == person.name


async def test_what_the_work_raises_comes_back():
    with pytest.raises(get_user_model().DoesNotExist):
        await in_database(get_user_model().objects.get, pk=-1)


async def test_it_is_not_the_loops_thread():
    assert (await in_database(threading.current_thread)).name.startswith("database")


async def test_a_slow_call_does_not_hold_up_another():
    """Row 36: a slow handler for one user does not delay another user's messages."""
    gate = threading.Event()
    slow = asyncio.create_task(in_database(gate.wait, 5))
    began = time.monotonic()

    await in_database(make_person)

    assert time.monotonic() - began < 1
    assert not slow.done()
    gate.set()
    await slow


async def test_the_loop_goes_on_while_the_database_works():
    gate = threading.Event()
    working = asyncio.create_task(in_database(gate.wait, 5))
    ticks = 0
    while ticks < 100:
        await asyncio.sleep(0)
        ticks += 1

    assert not working.done()
    gate.set()
    await working


async def test_a_full_line_is_refused_with_advice(threads):
    made, gate = threads
    calls = [asyncio.create_task(made.run(gate.wait)) for _ in range(4)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded) as refused:
        await made.run(lambda: None)

    assert refused.value.retry_after_ms
    gate.set()
    assert await asyncio.gather(*calls) == [True] * 4


async def test_there_is_room_again_after_the_line_is_done(threads):
    made, gate = threads
    gate.set()
    await asyncio.gather(*(made.run(gate.wait) for _ in range(4)))

    assert await made.run(lambda: "again") == "again"


async def test_an_answer_that_does_not_come_in_time_is_not_waited_for(threads):
    made, gate = threads

    with pytest.raises(TimeoutError):
        await made.run(gate.wait)


async def test_a_call_that_was_given_up_counts_until_its_thread_is_free(threads):
    made, gate = threads
    left = [asyncio.create_task(made.run(gate.wait)) for _ in range(4)]
    await asyncio.sleep(0)
    for call in left:
        call.cancel()
    await asyncio.gather(*left, return_exceptions=True)

    with pytest.raises(Overloaded):
        await made.run(lambda: None)


async def test_a_call_that_was_given_up_still_ends_its_work(threads):
    made, gate = threads
    done = threading.Event()

    def work():
        gate.wait(5)
        done.set()

    call = asyncio.create_task(made.run(work))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    gate.set()

    assert await asyncio.to_thread(done.wait, 5)


async def test_the_work_sees_the_callers_context():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("mine")

    assert await in_database(variable.get) == "mine"


async def test_work_cannot_change_the_callers_context():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="before")

    await in_database(variable.set, "after")

    assert variable.get() == "before"


async def test_a_connection_past_its_age_is_not_used_again():
    made = DatabaseThreads(threads=1, waiting=1, seconds=5)
    first = await made.run(_grown_old)

    second = await made.run(lambda: connection.connection)
    await made.run(lambda: connection.close())
    made._executor.shutdown()

    assert second is None or second is not first


def _grown_old():
    connection.ensure_connection()
    connection.close_at = time.monotonic() - 1
    return connection.connection


async def test_a_process_has_one_pool():
    assert database_threads() is database_threads()


async def test_who_is_patient_outlasts_a_database_that_is_away(caplog):
    """Row 53: a run is not lost for that."""
    answers = [OperationalError("database is locked"), OperationalError("database is locked"), 7]

    def work():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await patiently(work) == 7
    assert caplog.text.count("the database is away") == 2


async def test_patience_has_an_end(monkeypatch):
    monkeypatch.setattr("chatrouting.database.PATIENCE_SECONDS", 0.3)
    tried = []

    def work():
        tried.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError):
        await patiently(work)
    assert 1 < len(tried) < 10


async def test_patience_is_for_the_database_alone():
    tried = []

    def work():
        tried.append(1)
        raise IntegrityError("it is there already")

    with pytest.raises(IntegrityError):
        await patiently(work)
    assert len(tried) == 1
