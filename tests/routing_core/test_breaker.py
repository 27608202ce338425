"""The breaker: opens after failures in a row, probes one at a time, and no one person opens it for all."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from routing_core.breaker import (
    MOST_USERS,
    WHOLE,
    Breaker,
    Call,
    Outcome,
    Phase,
    Policy,
    enter,
    leave,
)

POLICY = Policy(open_seconds=10, probe_seconds=6)
FAILURE, SUCCESS, NOTHING = Outcome.FAILURE, Outcome.SUCCESS, Outcome.NOTHING


def after(*outcomes, breaker=WHOLE, now=0.0):
    """The breaker after calls one after another, each by `user` with this outcome."""
    for number, (user, outcome) in enumerate(outcomes):
        call = Call(user, f"{now}-{number}")
        breaker, wait = enter(breaker, call, POLICY, now)
        assert not wait
        breaker = leave(breaker, call, outcome, POLICY, now)
    return breaker


def wait_of(breaker, user="z", now=0.0):
    return enter(breaker, Call(user, "next"), POLICY, now)[1]


FIVE = [("a", FAILURE), ("b", FAILURE), ("a", FAILURE), ("b", FAILURE), ("c", FAILURE)]


def test_five_failures_in_a_row_open_it():
    """Row 109."""
    breaker = after(*FIVE)

    assert breaker.everybody.phase is Phase.OPEN
    assert (wait_of(breaker), wait_of(breaker, now=9.5), wait_of(breaker, now=10)) == (10, 0.5, 0)


def test_four_do_not():
    assert after(*FIVE[:4]).everybody.phase is Phase.CLOSED


def test_a_success_between_them_begins_anew():
    assert after(*FIVE[:4], ("d", SUCCESS), *FIVE[:4]).everybody.phase is Phase.CLOSED


def test_who_is_shut_out_alone_is_probed_alone():
    """Row 110: one call of theirs is let in once the time is over; the next waits for it."""
    shut = after(*[("a", FAILURE)] * 5)

    probed, wait = enter(shut, Call("a", "probe"), POLICY, now=10)

    assert (wait, probed.users["a"].phase) == (0, Phase.HALF_OPEN)
    assert wait_of(probed, "a", now=10) > 0
    assert wait_of(probed, "b", now=10) == 0


def test_the_failures_of_one_person_shut_it_for_that_person_alone():
    """Row 111: who is told how long to wait; others are let in."""
    breaker = after(*[("a", FAILURE)] * 5)

    assert (wait_of(breaker, "a"), wait_of(breaker, "b")) == (10, 0)


def test_a_mistake_of_the_client_tells_nothing():
    """Row 111."""
    assert after(*[("a", NOTHING)] * 20) is WHOLE
    assert after(*FIVE[:4], ("d", NOTHING), FIVE[4]).everybody.phase is Phase.OPEN


def test_one_person_shuts_the_route_for_themself_alone():
    """Row 111."""
    breaker = after(*[("a", FAILURE)] * 5)

    assert (wait_of(breaker, "a"), wait_of(breaker, "b")) == (10, 0)
    assert breaker.shut_out == 1


def test_failures_that_are_old_are_forgotten():
    breaker = after(*[("a", FAILURE)] * 4)

    assert after(("b", FAILURE), breaker=breaker, now=700).users.keys() == {"b"}


def test_one_probe_at_a_time():
    """Row 110."""
    breaker, wait = enter(after(*FIVE), Call("d", "first"), POLICY, 10)

    assert (wait, wait_of(breaker, now=11)) == (0, 5)


def test_two_good_probes_close_it():
    """Row 110."""
    breaker = after(("d", SUCCESS), breaker=after(*FIVE), now=10)
    assert breaker.everybody.phase is Phase.HALF_OPEN

    assert after(("e", SUCCESS), breaker=breaker, now=10).everybody.phase is Phase.CLOSED


def test_a_bad_probe_opens_it_again():
    """Row 110."""
    breaker = after(("d", SUCCESS), ("e", FAILURE), breaker=after(*FIVE), now=10)

    assert (breaker.everybody.phase, breaker.everybody.until) == (Phase.OPEN, 20)


def test_a_probe_that_tells_nothing_makes_way_for_another():
    breaker = after(("d", NOTHING), breaker=after(*FIVE), now=10)

    assert (breaker.everybody.phase, wait_of(breaker, now=10)) == (Phase.HALF_OPEN, 0)


def test_a_lost_probe_makes_way_for_another_and_is_not_heard():
    breaker, _ = enter(after(*FIVE), Call("d", "lost"), POLICY, 10)
    breaker, wait = enter(breaker, Call("e", "second"), POLICY, 16)

    late = leave(breaker, Call("d", "lost"), FAILURE, POLICY, 17)

    assert (wait, late.everybody) == (0, breaker.everybody)


def test_what_was_let_in_before_it_opened_is_not_counted():
    late = Call("d", "late")
    breaker, _ = enter(WHOLE, late, POLICY, 0)
    opened = after(*FIVE, breaker=breaker)

    assert leave(opened, late, SUCCESS, POLICY, 5).everybody == opened.everybody


def test_it_keeps_a_bounded_number_of_people():
    breaker = WHOLE
    for number in range(MOST_USERS + 50):
        call = Call(f"user{number}", "x")
        breaker = leave(breaker, call, FAILURE, Policy(failures=1_000), 0)

    assert len(breaker.users) == MOST_USERS
    assert f"user{MOST_USERS + 49}" in breaker.users


@pytest.mark.parametrize("breaker", [WHOLE, after(*FIVE), after(*FIVE[:2])])
def test_it_can_be_written_and_read(breaker):
    assert msgspec.json.decode(msgspec.json.encode(breaker), type=Breaker) == breaker


class PlainCircuit:
    """What one circuit does, told step by step."""

    def __init__(self):
        self.failed_in_a_row = 0
        self.good_probes = 0
        self.opened_at = None
        self.probe = None
        self.was_probed = False

    def refuses(self, now):
        if self.opened_at is None:
            return False
        if now < self.opened_at + POLICY.open_seconds:
            return True
        return self.probe is not None and now < self.probe[1] + POLICY.probe_seconds

    def let_in(self, name, now):
        if self.opened_at is not None:
            self.probe, self.was_probed = (name, now), True

    def ended(self, name, outcome, now):
        if self.opened_at is None:
            self.counted(outcome, now)
        elif self.probe is not None and self.probe[0] == name:
            self.probe = None
            self.probed(outcome, now)

    def counted(self, outcome, now):
        if outcome is SUCCESS:
            self.failed_in_a_row = 0
        elif outcome is FAILURE:
            self.failed_in_a_row += 1
            if self.failed_in_a_row == POLICY.failures:
                self.open(now)

    def probed(self, outcome, now):
        if outcome is FAILURE:
            self.open(now)
        elif outcome is SUCCESS:
            self.good_probes += 1
            if self.good_probes == POLICY.successes:
                self.__init__()

    def open(self, now):
        self.__init__()
        self.opened_at = now

    @property
    def phase(self):
        if self.opened_at is None:
            return Phase.CLOSED
        return Phase.HALF_OPEN if self.was_probed else Phase.OPEN


class AgainstAPlainModel(RuleBasedStateMachine):
    """Calls of three people that begin and end in any order, at any time."""

    def __init__(self):
        super().__init__()
        self.breaker, self.now, self.begun = WHOLE, 0.0, 0
        self.everybody = PlainCircuit()
        self.own = {user: PlainCircuit() for user in "abc"}
        self.under_way = []

    @rule(seconds=st.sampled_from([0.5, 1, 5, 6, 10, 11]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(user=st.sampled_from("aaabc"))
    def somebody_calls(self, user):
        self.begun += 1
        call, own = Call(user, f"call{self.begun}"), self.own[user]
        self.breaker, wait = enter(self.breaker, call, POLICY, self.now)
        assert (wait > 0) is (self.everybody.refuses(self.now) or own.refuses(self.now))
        if not wait:
            for circuit in (self.everybody, own):
                circuit.let_in(call.name, self.now)
            self.under_way.append(call)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), outcome=st.sampled_from([SUCCESS, FAILURE, FAILURE, FAILURE, NOTHING]))
    def a_call_ends(self, data, outcome):
        call = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        own = self.own[call.user_id]
        self.breaker = leave(self.breaker, call, outcome, POLICY, self.now)
        was_closed = self.everybody.opened_at is None
        heard = own.opened_at is None and own.failed_in_a_row < POLICY.share
        if outcome is not FAILURE or heard or self.everybody.opened_at is not None:
            self.everybody.ended(call.name, outcome, self.now)
        if was_closed or own.opened_at is not None:
            own.ended(call.name, outcome, self.now)

    @invariant()
    def both_stand_the_same(self):
        for circuit, plain in [
            (self.breaker.everybody, self.everybody),
            *((self.breaker.users.get(user), self.own[user]) for user in "abc"),
        ]:
            assert (circuit.phase if circuit else Phase.CLOSED) is plain.phase


AgainstAPlainModel.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestAgainstAPlainModel = AgainstAPlainModel.TestCase
