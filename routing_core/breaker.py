"""The breaker of a route: what fails again and again is not asked for a while.

A circuit is closed until so many calls in a row have failed. Then it is open: nobody is let in. After a
while it is half-open: one call at a time is let in to probe; so many probes in a row that go well close
it, one that fails opens it again. (Nygard, *Release It!*, "Circuit Breaker".)

A breaker has a circuit for all and one for each person of late. A person's failures open their own,
which shuts the route for them alone; only their first few in a row count for all. So nobody, however
many messages they send, shuts a route for others: that takes several people who saw it fail.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

import msgspec

MOST_USERS = 100  # whose circuits one breaker keeps; those that changed last


class Phase(StrEnum):
    """Where a circuit is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(Enum):
    """What a call says of its route: it works, it fails, or nothing, as where the client was mistaken."""

    SUCCESS = auto()
    FAILURE = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class Policy:
    """When circuits open and close. Times are seconds.

    `share`: of one person's failures in a row, so many count for all. `probe_seconds`: a probe that has
    said nothing for so long is lost. `memory_seconds`: failures that are older are forgotten.
    """

    failures: int = 5
    share: int = 2
    successes: int = 2
    open_seconds: float = 10
    probe_seconds: float = 10
    memory_seconds: float = 600


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True):
    """`count`: failures in a row while closed, probes in a row that went well while half-open.

    `until`: while open, when a probe is let in; while half-open, when the probe under way is given up.
    `changed_at`: when a call last changed it.
    """

    phase: Phase = Phase.CLOSED
    count: int = 0
    until: float = 0
    probe: str = ""
    changed_at: float = 0

    def enter(self, call: str, policy: Policy, now: float) -> "tuple[Circuit, float]":
        """Let a call in; or the seconds until one may be."""
        if self.phase is Phase.CLOSED:
            return self, 0
        if now < self.until and (self.phase is Phase.OPEN or self.probe):
            return self, self.until - now
        count = self.count if self.phase is Phase.HALF_OPEN else 0
        probing = Circuit(Phase.HALF_OPEN, count, now + policy.probe_seconds, call, now)
        return probing, 0

    def leave(self, call: str, outcome: Outcome, policy: Policy, now: float) -> "Circuit":
        """What a call that was let in came to. Of a circuit that is not closed only its probe's counts."""
        if self.phase is Phase.CLOSED:
            return self._counted(outcome, policy, now)
        if self.phase is Phase.OPEN or self.probe != call:
            return self
        match outcome:
            case Outcome.FAILURE:
                return _opened(policy, now)
            case Outcome.SUCCESS if self.count + 1 >= policy.successes:
                return CLOSED
            case Outcome.SUCCESS:
                return Circuit(Phase.HALF_OPEN, self.count + 1, changed_at=now)
        return Circuit(Phase.HALF_OPEN, self.count, changed_at=now)

    def _counted(self, outcome: Outcome, policy: Policy, now: float) -> "Circuit":
        if outcome is Outcome.SUCCESS:
            return CLOSED if self.count else self
        if outcome is Outcome.NOTHING:
            return self
        if self.count + 1 >= policy.failures:
            return _opened(policy, now)
        return Circuit(Phase.CLOSED, self.count + 1, changed_at=now)

    def is_forgotten(self, policy: Policy, now: float) -> bool:
        """Whether what it tells is too old, or nothing."""
        return now - max(self.changed_at, self.until) > policy.memory_seconds or self == CLOSED


CLOSED = Circuit()


def _opened(policy: Policy, now: float) -> Circuit:
    return Circuit(Phase.OPEN, until=now + policy.open_seconds, changed_at=now)


class Breaker(msgspec.Struct, frozen=True, omit_defaults=True):
    """The circuit for all, and those of the people whose calls failed of late."""

    everybody: Circuit = CLOSED
    users: dict[str, Circuit] = {}

    @property
    def shut_out(self) -> int:
        """For how many people the route is shut beside the circuit for all."""
        return sum(each.phase is not Phase.CLOSED for each in self.users.values())


WHOLE = Breaker()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a route: whose, and a name no other call has."""

    user_id: str
    name: str


def enter(breaker: Breaker, call: Call, policy: Policy, now: float) -> tuple[Breaker, float]:
    """Let a call in: the breaker as it is then, and 0. Or the breaker as it was, and the seconds to wait."""
    everybody, wait = breaker.everybody.enter(call.name, policy, now)
    if wait:
        return breaker, wait
    own = breaker.users.get(call.user_id, CLOSED)
    let_in, wait = own.enter(call.name, policy, now)
    if wait:
        return breaker, wait
    if let_in is not own:
        return Breaker(everybody, {**breaker.users, call.user_id: let_in}), 0
    return (breaker if everybody is breaker.everybody else Breaker(everybody, breaker.users)), 0


def leave(breaker: Breaker, call: Call, outcome: Outcome, policy: Policy, now: float) -> Breaker:
    """The breaker after a call that was let in; the same object where it tells nothing new."""
    users = {who: each for who, each in breaker.users.items() if not each.is_forgotten(policy, now)}
    own = users.pop(call.user_id, CLOSED)
    everybody = CLOSED if breaker.everybody.is_forgotten(policy, now) else breaker.everybody
    if (
        outcome is not Outcome.FAILURE
        or everybody.phase is not Phase.CLOSED
        or _counts(own, policy)
    ):
        everybody = everybody.leave(call.name, outcome, policy, now)
    if breaker.everybody.phase is Phase.CLOSED or own.phase is not Phase.CLOSED:
        own = own.leave(call.name, outcome, policy, now)  # else all are shut out already
    if own != CLOSED:
        users[call.user_id] = own  # the last to change stands last
    kept = dict(list(users.items())[-MOST_USERS:])
    after = Breaker(everybody, kept)
    return breaker if after == breaker else after


def _counts(own: Circuit, policy: Policy) -> bool:
    """Whether this person's next failure counts for all."""
    return own.phase is Phase.CLOSED and own.count < policy.share
