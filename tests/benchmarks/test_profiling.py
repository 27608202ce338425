"""What is made of a profile."""

from tests.benchmarks.plan import Measure
from tests.benchmarks.profiling import shares, shown

RAW = """\
Handle._run (asyncio/events.py:78);deliver (delivery.py:5);send (socket.py:9) 6
Handle._run (asyncio/events.py:78);deliver (delivery.py:5) 2
Handle._run (asyncio/events.py:78) 2
start (threading.py:1);_worker (concurrent/futures/thread.py:69) 90
"""


def test_time_is_a_functions_own_or_that_of_what_it_calls():
    own, called = shares(RAW)

    assert own == {
        "send (socket.py:9)": 60,
        "deliver (delivery.py:5)": 20,
        "Handle._run (asyncio/events.py:78)": 20,
    }
    assert called["deliver (delivery.py:5)"] == 80


def test_a_function_that_calls_itself_is_counted_once():
    assert shares("walk (a.py:1);walk (a.py:1) 4")[1] == {"walk (a.py:1)": 100}


def test_what_calls_the_work_is_shown_by_its_own_time_alone():
    assert shown(Measure.STREAM, RAW).count("Handle._run") == 1


def test_nothing_seen_is_nothing_shown():
    assert shares("") == ({}, {})
