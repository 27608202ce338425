"""How many errors a socket may make in a while."""

from hypothesis import given
from hypothesis import strategies as st

from routing_core.limits import ErrorBudget


def spend(limit, *times, seconds=60):
    budget = ErrorBudget(limit, seconds)
    return [budget.spend(now) for now in times]


def test_the_error_that_reaches_the_limit_is_refused():
    assert spend(3, 0, 1, 2) == [True, True, False]


def test_the_first_error_may_be_the_last():
    assert spend(1, 0) == [False]


def test_errors_far_apart_are_forgiven():
    assert spend(3, 0, 1, 60) == [True, True, True]


def test_the_window_moves_with_the_clock():
    assert spend(3, 0, 59, 60, 60.5) == [True, True, True, False]


def test_the_window_is_as_long_as_it_is_set():
    assert spend(2, 0, 9, seconds=10) == [True, False]
    assert spend(2, 0, 10, seconds=10) == [True, True]


def test_the_window_is_a_minute_unless_set():
    early, late = ErrorBudget(2), ErrorBudget(2)

    assert [early.spend(0), early.spend(59.9)] == [True, False]
    assert [late.spend(0), late.spend(60)] == [True, True]


@given(
    limit=st.integers(1, 6),
    steps=st.lists(st.integers(0, 30), max_size=40),
    seconds=st.integers(1, 60),
)
def test_it_agrees_with_counting_the_window(limit, steps, seconds):
    times = [sum(steps[: place + 1]) for place in range(len(steps))]

    counted = [
        sum(now - before < seconds for before in times[: place + 1]) < limit
        for place, now in enumerate(times)
    ]

    assert spend(limit, *times, seconds=seconds) == counted
