"""Bounds on what a client may do, as plain arithmetic on a clock given from outside."""

from dataclasses import dataclass

import msgspec

MARGIN_SECONDS = 1.0  # by which a lease ends earlier for its holder than for the bucket


class ErrorBudget:
    """At most `limit` errors within any `seconds`. Times are seconds of one monotonic clock."""

    def __init__(self, limit: int, seconds: float = 60) -> None:
        self._limit = limit
        self._seconds = seconds
        self._times: list[float] = []  # short, and most sockets have none: a deque takes 700 bytes

    def spend(self, now: float) -> bool:
        """Count an error; False where this one reaches the limit."""
        self._times = [*self._times, now][-self._limit :]
        full = len(self._times) == self._limit
        return not (full and now - self._times[0] < self._seconds)


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once and `per_second` for ever: within any t seconds at most `burst + t * per_second`."""

    per_second: float
    burst: int


class Lease(msgspec.Struct, frozen=True):
    """Tokens that one holder may spend until a time; what is left of them then counts as spent."""

    tokens: int
    until: float


class Bucket(msgspec.Struct, frozen=True):
    """What is left of a rate at the time `at`, for holders who lease tokens to spend them on their own.

    Tokens in the bucket and tokens on lease are never more than the burst: the bucket fills up only to
    what the leases leave free. So the rate holds for all holders together, whenever each spends.
    """

    tokens: float
    at: float
    leases: dict[str, Lease] = {}

    @property
    def on_lease(self) -> int:
        """Tokens that holders may still spend."""
        return sum(lease.tokens for lease in self.leases.values())


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens for a holder; where there are none, the seconds until there is one."""

    tokens: int
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A holder gives back what it has not spent and asks for at most `most` tokens, for `seconds`."""

    holder: str
    unspent: int
    most: int
    seconds: float


def full_bucket(rate: Rate, now: float) -> Bucket:
    """A bucket nobody has taken from."""
    return Bucket(float(rate.burst), now)


def lease(bucket: Bucket, rate: Rate, ask: Ask, now: float) -> tuple[Bucket, Grant]:
    """Take tokens out of the bucket. A clock that goes back, or is behind another's, fills nothing.

    The holder must not spend them later than `ask.seconds` after it asked.
    """
    filled = _filled(bucket, rate, now)
    kept = dict(filled.leases)
    returned = kept.pop(ask.holder, None)
    back = min(ask.unspent, returned.tokens) if returned else 0
    others = sum(each.tokens for each in kept.values())
    tokens = min(filled.tokens + back, rate.burst - others)
    granted = max(0, min(ask.most, int(tokens)))
    if not granted:
        return Bucket(tokens, filled.at, kept), Grant(0, (1 - tokens) / rate.per_second)
    kept[ask.holder] = Lease(granted, filled.at + ask.seconds + MARGIN_SECONDS)
    return Bucket(tokens - granted, filled.at, kept), Grant(granted)


def _filled(bucket: Bucket, rate: Rate, now: float) -> Bucket:
    """The bucket at a later time. Each lease that ran out meanwhile leaves room from its end on."""
    tokens, at, on_lease = bucket.tokens, bucket.at, bucket.on_lease
    leases = dict(bucket.leases)
    for holder, ended in sorted(leases.items(), key=lambda each: each[1].until):
        if ended.until > now:
            break
        tokens = min(tokens + max(0, ended.until - at) * rate.per_second, rate.burst - on_lease)
        at = max(at, ended.until)
        on_lease -= ended.tokens
        del leases[holder]
    tokens = min(tokens + max(0, now - at) * rate.per_second, rate.burst - on_lease)
    return Bucket(tokens, max(at, now), leases)


class Allowance:
    """What one holder may spend without asking. Times are seconds of one monotonic clock."""

    __slots__ = ("_refused_until", "_until", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self._until = 0.0
        self._refused_until = 0.0

    def take(self, now: float) -> bool:
        """Spend a token; False where there is none that may still be spent."""
        if not self.tokens or now >= self._until:
            return False
        self.tokens -= 1
        return True

    def wait(self, now: float) -> float:
        """Seconds for which asking is of no use; 0 where it is."""
        return max(0.0, self._refused_until - now)

    def is_over(self, now: float) -> bool:
        """Whether it tells nothing any more."""
        return now >= self._until and now >= self._refused_until

    def note(self, grant: Grant, asked_at: float, seconds: float) -> None:
        """Take what was granted for so long, or remember that nothing was."""
        self.tokens, self._until = grant.tokens, asked_at + seconds
        self._refused_until = asked_at + grant.wait


class Pace:
    """A rate for each of many keys, by the generic cell rate algorithm: one number a key.

    The number is the time at which a key that stops now has its whole burst again; such keys are forgotten.
    """

    def __init__(self, rate: Rate) -> None:
        self._step = 1 / rate.per_second
        self._slack = self._step * (rate.burst - 1)
        self._even_at: dict[str, float] = {}
        self._sweep_at = 0.0

    def __len__(self) -> int:
        return len(self._even_at)

    def take(self, key: str, now: float) -> bool:
        """Count one of this key; False, and not counted, where it is over its rate."""
        self._sweep(now)
        even_at = max(self._even_at.get(key, now), now)
        if even_at - now > self._slack + 1e-9:
            return False
        self._even_at[key] = even_at + self._step
        return True

    def delay(self, key: str, now: float) -> float:
        """Count one of this key, which cannot be refused: the seconds to wait before the next."""
        self._sweep(now)
        even_at = max(self._even_at.get(key, now), now) + self._step
        self._even_at[key] = even_at
        return max(0.0, even_at - now - self._slack)

    def _sweep(self, now: float) -> None:
        """Each key is looked at once in the time a whole burst takes to come back."""
        if now >= self._sweep_at:
            self._even_at = {key: at for key, at in self._even_at.items() if at > now}
            self._sweep_at = now + self._slack + self._step


class Room:
    """How much is at work at once. Who has priority is still let in where there is no room for others."""

    __slots__ = ("_limit", "at_work")

    def __init__(self, limit: int) -> None:
        """`limit`: at most so many, and twice as many with those who have priority."""
        self._limit = limit
        self.at_work = 0

    def enter(self, *, priority: bool) -> bool:
        """Begin; False where there is no room. Each that was let in has to `leave`."""
        if self.at_work >= (2 * self._limit if priority else self._limit):
            return False
        self.at_work += 1
        return True

    def leave(self) -> None:
        """One that was let in has ended."""
        self.at_work -= 1
