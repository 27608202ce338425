"""The loads, on sockets that deliver at once."""

import os

import pytest

from tests.benchmarks.arrivals import Arrivals
from tests.benchmarks.course import Course, fan, stream
from tests.benchmarks.order import Order
from tests.benchmarks.plan import QUICK, Effort, Measure, Phase, Task
from tests.benchmarks.publishing import piece

SOCKETS = 3


class Socket:
    """One of several that the same events come to."""

    def __init__(self, arrivals):
        self.arrivals = arrivals
        self.order = Order(0)

    def take(self, number):
        self.order.take(number)
        self.arrivals.take(number, piece(number).encode())


class Publisher:
    """Delivers an event when `behind` later ones were asked for; loses the one named."""

    pid = os.getpid()

    def __init__(self, sockets, *, behind=0, lost=0):
        self.sockets, self.behind, self.lost = sockets, behind, lost
        self.asked = 0
        self.most_waiting = 0

    def say(self, count):
        for _ in range(count):
            self.asked += 1
            self.most_waiting = max(self.most_waiting, self.asked - self.sockets[0].order.last)
            self.deliver(self.asked - self.behind)

    def deliver(self, number):
        for socket in self.sockets:
            if 0 < number != self.lost:
                socket.take(number)


def a_course(effort=QUICK, *, copies=SOCKETS, **publishing):
    arrivals = Arrivals(copies)
    sockets = [Socket(arrivals) for _ in range(SOCKETS)]
    task = Task(Phase.FAN_OUT, effort, "", "", False, "", (), os.getpid(), os.getpid())
    publisher = Publisher(sockets, **publishing)
    return Course(task, sockets, publisher), publisher


async def test_one_at_a_time_waits_for_each_event():
    course, publisher = a_course()

    window = await course.window(fan(1, 0.01))

    assert publisher.most_waiting == 1
    assert window.deliveries == publisher.asked * SOCKETS
    assert (window.lost, window.faults) == (0, 0)
    assert window.server_cpu > 0


async def test_no_more_are_on_their_way_than_may_be(monkeypatch):
    monkeypatch.setattr("tests.benchmarks.arrivals.GIVE_UP_SECONDS", 0.01)
    course, publisher = a_course(behind=3)

    window = await course.window(fan(4, 0.01))

    assert publisher.most_waiting == 4
    assert window.lost == 3 * SOCKETS


async def test_an_event_that_is_lost_ends_the_window(monkeypatch):
    monkeypatch.setattr("tests.benchmarks.arrivals.GIVE_UP_SECONDS", 0.01)
    course, _ = a_course(lost=5)

    window = await course.window(fan(1, 10))

    assert (window.deliveries, window.lost) == (4 * SOCKETS, SOCKETS)


async def test_a_disorder_is_counted_in_its_window():
    course, publisher = a_course(copies=1)
    publisher.sockets[1].order.take(9)

    first = await course.window(stream(SOCKETS, 2))
    second = await course.window(stream(SOCKETS, 9))

    assert (first.lost, first.faults) == (0, 2)
    assert (second.lost, second.faults) == (0, 7)


@pytest.mark.parametrize(("patience", "windows"), [(60, 3), (0, 1)])
async def test_what_takes_long_is_repeated_less(patience, windows):
    course, _ = a_course(Effort(repeats=3, patience=patience), copies=1)

    found = await course.repeat(Measure.STREAM, stream(SOCKETS, 1))

    assert len(found) == windows
