"""The table of the moment: what is registered serves the next message, wherever and whenever that was done."""

import sys
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routing_core.errors import UnknownType
from routing_core.live import LiveRouter, live_router
from routing_core.router import Route, Router, UnknownRoute
from tests.routing_core.samples import Beat, Keep, Note, noted, raising, returning

OTHER = Route(Note, returning(None), priority=1)
NOTE = Route(Note, noted)


def live(*routes):
    return LiveRouter(lambda: Router(routes))


def test_what_is_registered_serves_the_next_message():
    """Row 31: and a removed route is no longer called; the next best answers."""
    table = live(NOTE)
    table.register(OTHER)
    assert table.current().resolve("note", "ctx") is OTHER
    table.unregister(OTHER)
    assert table.current().resolve("note", "ctx") is NOTE


def test_who_holds_a_table_keeps_it():
    table = live(NOTE)
    held = table.current()
    table.unregister(NOTE)

    assert held.resolve("note", "ctx") is NOTE
    with pytest.raises(UnknownType):
        table.current().resolve("note", "ctx")


def test_what_is_registered_before_the_table_is_there_comes_behind_it():
    loaded = []
    table = LiveRouter(lambda: loaded.append(1) or Router([NOTE]))
    late, beat = Route(Note, raising(KeyError())), Route(Beat, noted)
    table.register(late)
    table.register(beat)
    assert loaded == []

    assert table.current().routes == (NOTE, late, beat)
    assert table.current().resolve("note", "ctx") is NOTE
    assert loaded == [1]


def test_loading_a_table_may_register_routes():
    def load():
        table.register(OTHER)
        return Router([NOTE])

    table = LiveRouter(load)

    assert table.current().routes == (NOTE, OTHER)


def test_of_two_that_load_at_once_the_first_counts():
    loaded = []

    def load():
        loaded.append(Router([NOTE]))
        if len(loaded) == 1:
            table.current()  # somebody else is quicker
            table.register(OTHER)
        return loaded[-1] if len(loaded) == 1 else loaded.pop()

    table = LiveRouter(load)

    assert table.current().routes == (NOTE, OTHER)


def test_removing_an_unknown_route_changes_nothing_and_says_what_there_is():
    """Row 31: a clear error."""
    table = live(NOTE)
    table.current()

    with pytest.raises(UnknownRoute) as caught:
        table.unregister(OTHER)

    assert "no route of 'note' goes to tests.routing_core.samples." in str(caught.value)
    assert "there are: tests.routing_core.samples.noted (0)" in str(caught.value)
    assert table.current().routes == (NOTE,)


def test_a_route_that_does_not_fit_changes_nothing():
    table = LiveRouter(lambda: Router([NOTE], server_types=["beat"]))
    table.current()

    with pytest.raises(ValueError, match="only the server sends"):
        table.register(Route(Beat, noted))

    assert table.current().routes == (NOTE,)


def test_a_waiting_route_that_does_not_fit_is_told_whenever_the_table_is_asked_for():
    table = LiveRouter(lambda: Router([NOTE], server_types=["beat"]))
    table.register(Route(Beat, noted))

    for _ in range(2):
        with pytest.raises(ValueError, match="only the server sends"):
            table.current()


def test_counts_are_exact_after_a_thousand_each_from_many_threads():
    """Row 31: counts exact after 1 000 add and remove."""
    table = live(NOTE)
    table.current()

    def work(number):
        routes = [Route(Note, noted, priority=1_000 * number + each) for each in range(125)]
        for route in routes:
            table.register(route)
        for route in routes[:124]:
            table.unregister(route)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    finally:
        sys.setswitchinterval(switching)

    assert len(table.current().routes) == 9
    assert sorted(route.priority for route in table.current().types["note"]) == [
        0, *(1_000 * number + 124 for number in range(1, 9))
    ]  # fmt: skip


def test_a_process_has_one_table_for_a_path():
    assert live_router() is live_router()


def accepting(word):
    return lambda ctx: word in ctx


class Tables(RuleBasedStateMachine):
    """Any order of adding, removing and asking gives what a plain list would."""

    ROUTES = tuple(
        Route(message, noted, priority=priority, condition=condition)
        for message in (Note, Keep)
        for priority in (-1, 0, 2)
        for condition in (None, accepting("a"), accepting("b"))
    )

    def __init__(self):
        super().__init__()
        self.table = live()
        self.model = []

    @rule(route=st.sampled_from(ROUTES))
    def add(self, route):
        self.table.register(route)
        self.model.append(route)

    @rule(route=st.sampled_from(ROUTES))
    def remove(self, route):
        if route in self.model:
            self.table.unregister(route)
            self.model.remove(route)
        else:
            self.table.current()  # an unknown one is told at once where the table is loaded
            with pytest.raises(UnknownRoute):
                self.table.unregister(route)

    @rule(name=st.sampled_from(["note", "memo", "keep"]), ctx=st.sampled_from(["", "a", "b", "ab"]))
    def resolve(self, name, ctx):
        fitting = [each for each in self.model if name in each.types and each.accepts(ctx)]
        if not fitting:
            with pytest.raises(UnknownType):
                self.table.current().resolve(name, ctx)
            return
        best = max(each.priority for each in fitting)
        first = next(each for each in fitting if each.priority == best)
        assert self.table.current().resolve(name, ctx) is first

    @invariant()
    def same(self):
        assert self.table.current().routes == tuple(self.model)


TestTables = Tables.TestCase
TestTables.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
