"""A rate that several holders spend on their own: never more than it says, and it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from routing_core.limits import Allowance, Ask, Grant, Pace, Rate, Room, full_bucket, lease

LEASE_SECONDS = 5.0
RATE = Rate(10, 100)


def ask(holder="a", unspent=0, most=10):
    return Ask(holder, unspent, most, LEASE_SECONDS)


def test_a_full_bucket_gives_what_is_asked_for():
    left, grant = lease(full_bucket(RATE, 0), RATE, ask(), 0)

    assert (grant, left.tokens, left.on_lease) == (Grant(10), 90, 10)


def test_what_was_not_spent_comes_back():
    bucket, _ = lease(full_bucket(RATE, 0), RATE, ask(), 0)

    left, grant = lease(bucket, RATE, ask(unspent=10), 0)

    assert (grant.tokens, left.tokens) == (10, 90)


def test_what_was_never_leased_is_not_given_back():
    left, _ = lease(full_bucket(Rate(1, 5), 0), Rate(1, 5), ask("a", unspent=100, most=5), 0)

    assert left.tokens == 0


def test_an_empty_bucket_says_when_to_come_again():
    rate = Rate(4, 2)
    bucket, _ = lease(full_bucket(rate, 0), rate, ask("a", 0, 1), 0)
    bucket, _ = lease(bucket, rate, ask("a", 0, 1), 0)

    _, grant = lease(bucket, rate, ask("a", 0, 1), 0.15)

    assert (grant.tokens, grant.wait) == (0, pytest.approx(0.1))


def test_a_clock_that_is_behind_fills_nothing():
    bucket, _ = lease(full_bucket(RATE, 100), RATE, ask(most=100), 100)

    left, grant = lease(bucket, RATE, ask("b"), 50)

    assert (grant.tokens, left.at) == (0, 100)


def test_what_a_lost_holder_kept_is_free_again_after_its_lease():
    bucket, _ = lease(full_bucket(RATE, 0), RATE, ask(most=100), 0)

    left, grant = lease(bucket, RATE, ask("b", most=100), 3600)

    assert (grant.tokens, left.leases.keys()) == (100, {"b"})


class ManyHolders(RuleBasedStateMachine):
    """Processes that lease, spend, pause, crash and give back, at whatever times."""

    @initialize(burst=st.integers(1, 40), per_second=st.sampled_from([0.5, 1, 3, 10, 50]))
    def begin(self, burst, per_second):
        self.rate = Rate(per_second, burst)
        self.now = 1000.0
        self.bucket = full_bucket(self.rate, self.now)
        self.holders = {name: Allowance() for name in "abc"}
        self.spent = []

    @rule(seconds=st.sampled_from([0.01, 0.3, 1, 4.9, 5, 5.5, 6, 6.01, 20]))
    def wait(self, seconds):
        self.now += seconds

    @rule(name=st.sampled_from("abc"), most=st.integers(1, 50))
    def asks(self, name, most):
        held = self.holders[name]
        asked = Ask(name, held.tokens, most, LEASE_SECONDS)
        self.bucket, grant = lease(self.bucket, self.rate, asked, self.now)
        held.note(grant, self.now, LEASE_SECONDS)

    @rule(name=st.sampled_from("abc"), count=st.integers(1, 50))
    def spends(self, name, count):
        self.spent += [self.now for _ in range(count) if self.holders[name].take(self.now)]

    @rule(name=st.sampled_from("abc"))
    def crashes(self, name):
        self.holders[name] = Allowance()

    @invariant()
    def no_window_has_more_than_the_rate_allows(self):
        spent = getattr(self, "spent", [])
        for first, begin in enumerate(spent):
            most = self.rate.burst + (spent[-1] - begin) * self.rate.per_second
            assert len(spent) - first <= most + 1e-6

    @invariant()
    def tokens_and_leases_are_no_more_than_the_burst(self):
        if hasattr(self, "bucket"):
            assert -1e-9 <= self.bucket.tokens <= self.rate.burst - self.bucket.on_lease + 1e-9

    @invariant()
    def it_comes_back_whole(self):
        if hasattr(self, "bucket"):
            late = self.now + 7 + self.rate.burst / self.rate.per_second
            _, grant = lease(self.bucket, self.rate, Ask("d", 0, 1000, 5), late)
            assert grant.tokens == self.rate.burst


TestManyHolders = ManyHolders.TestCase


def test_an_allowance_is_spent_once():
    held = Allowance()
    held.note(Grant(2), 0, 5)

    assert [held.take(1) for _ in range(3)] == [True, True, False]


def test_an_allowance_ends_with_its_lease():
    held = Allowance()
    held.note(Grant(2), 0, 5)

    assert (held.take(4.9), held.take(5), held.is_over(4.9), held.is_over(5)) == (
        True, False, False, True
    )  # fmt: skip


def test_a_refusal_is_remembered_for_as_long_as_it_said():
    held = Allowance()
    held.note(Grant(0, 0.5), 10, 0)

    assert (held.wait(10.2), held.wait(10.5)) == (pytest.approx(0.3), 0)


@given(
    burst=st.integers(1, 10),
    per_second=st.sampled_from([0.5, 1, 7]),
    steps=st.lists(st.sampled_from([0, 0.01, 0.2, 1, 5]), max_size=60),
)
def test_a_pace_agrees_with_a_bucket(burst, per_second, steps):
    rate, now, tokens, last = Rate(per_second, burst), 50.0, float(burst), 50.0
    pace = Pace(rate)
    for step in steps:
        now += step
        tokens, last = min(burst, tokens + (now - last) * per_second), now
        assert pace.take("a", now) is (tokens >= 1 - 1e-6)
        tokens -= tokens >= 1 - 1e-6


def test_a_pace_keeps_keys_apart_and_forgets_them():
    pace = Pace(Rate(1, 1))

    assert [pace.take("a", 0), pace.take("a", 0), pace.take("b", 0)] == [True, False, True]
    assert pace.take("c", 10)
    assert len(pace) == 1


@given(
    burst=st.integers(1, 10),
    steps=st.lists(st.sampled_from([0, 0.01, 0.2, 1, 5]), min_size=1, max_size=60),
)
def test_who_waits_as_long_as_a_pace_says_keeps_to_it(burst, steps):
    pace, now, times = Pace(Rate(7, burst)), 50.0, []
    for step in steps:
        now += step
        times.append(now)
        now += pace.delay("a", now)
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + (times[last] - begin) * 7 + 1e-6


def test_what_is_counted_without_a_wait_has_to_be_waited_for_later():
    pace = Pace(Rate(10, 2))

    assert [round(pace.delay("a", 0), 3) for _ in range(4)] == [0, 0.1, 0.2, 0.3]
    assert pace.delay("b", 0) == 0
    assert pace.delay("a", 10) == 0


def test_room_is_given_back():
    room = Room(1)

    assert [room.enter(priority=False), room.enter(priority=False)] == [True, False]
    room.leave()
    assert room.enter(priority=False)


def test_priority_finds_room_where_others_do_not_but_not_for_ever():
    room = Room(2)
    found = [room.enter(priority=each) for each in (False, True, False, True, True, True)]

    assert found == [True, True, False, True, True, False]
