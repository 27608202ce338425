"""The breakers of this process: one a route, as all processes see it.

What a breaker does is written in `routing_core.breaker`. Its state is one value in Valkey; each process
keeps a copy of those that tell something. A message of a route without a copy asks nobody. Failures,
probes and what ends them are written through, and every process is nudged to look. That comes after the
answer: what many calls came to at once is told in one step, and who comes next waits for it. While
Valkey is away each process keeps its breakers alone.
"""

import asyncio
import functools
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextvars import Context

import msgspec
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.conf import ChatSettings, chat_settings
from chatrouting.stream.doorbell import breaker_changes, ring_breaker
from chatrouting.stream.shared import Contended, Swap, change
from chatrouting.stream.valkey import valkey
from routing_core.breaker import WHOLE, Breaker, Call, Outcome, Phase, Policy, enter, leave
from routing_core.live import live_router

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 0.5  # for Valkey; a message waits no longer for a breaker
AWAY_SECONDS = 2.0  # for which Valkey is not asked again
PROBE_GRACE_SECONDS = 1.0  # beside the time a handler may take
MOST_UNTOLD = 1_000  # calls of a route whose end is not told yet; of more, the last
AWAY = (RedisError, TimeoutError, Contended)

Said = tuple[Call, Outcome]
Step = Callable[[Breaker], tuple[Breaker, float]]

_decoder = msgspec.json.Decoder(Breaker)


def breaker_key(route: str) -> str:
    """Where the breaker of a route stands in Valkey."""
    return f"chatrouting:breaker:{route}"


def routes_guarded() -> list[str]:
    """Every route that has a breaker, by the type of its messages."""
    return sorted({route.message.type for route in live_router().current().routes})


def read(value: bytes | None) -> Breaker:
    """The breaker that a value tells of; none is a whole one."""
    return _decoder.decode(value) if value else WHOLE


def _written(breaker: Breaker) -> bytes:
    return b"" if breaker == WHOLE else msgspec.json.encode(breaker)


def policy(conf: ChatSettings) -> Policy:
    """What the settings say."""
    return Policy(
        failures=conf.breaker_failures,
        successes=conf.breaker_successes,
        open_seconds=conf.breaker_seconds,
        probe_seconds=conf.handler_seconds + PROBE_GRACE_SECONDS,
    )


class Breakers:
    """Those of one event loop."""

    def __init__(self, rules: Policy) -> None:
        self._rules = rules
        self._milliseconds = round(1000 * (rules.memory_seconds + rules.open_seconds))
        self._copies: dict[str, bytes] = {}
        self._known: dict[str, Breaker] = {}
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._untold: dict[str, deque[Said]] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._away_until = 0.0
        self._listener: asyncio.Task[None] | None = None

    def __contains__(self, route: str) -> bool:
        """Whether the breaker of this route tells something: else its messages need not ask."""
        return route in self._known or route in self._telling

    async def enter(self, route: str, call: Call) -> float:
        """Let a call in: 0, or the seconds until one may be. Only a probe asks Valkey."""
        await self.told(route)
        _, wait = enter(self._of(route), call, self._rules, time.time())
        if wait:
            return wait
        return await self._change(
            route, lambda breaker: enter(breaker, call, self._rules, time.time())
        )

    def leave(self, route: str, call: Call, outcome: Outcome) -> None:
        """Note what a call that was let in came to. Whoever made it does not wait until all know."""
        self._untold.setdefault(route, deque(maxlen=MOST_UNTOLD)).append((call, outcome))
        if route not in self._telling:
            self._telling[route] = asyncio.create_task(
                self._tell(route), name="breaker", context=Context()
            )

    async def told(self, route: str) -> None:
        """Wait until all know what calls came to so far, as long as Valkey may take."""
        if route in self._telling:
            await asyncio.wait([self._telling[route]], timeout=ANSWER_SECONDS)

    async def _tell(self, route: str) -> None:
        try:
            while said := self._untold.pop(route, None):
                await self._change(route, functools.partial(self._all_left, said))
        finally:
            del self._telling[route]

    def _all_left(self, said: Sequence[Said], breaker: Breaker) -> tuple[Breaker, float]:
        for call, outcome in said:
            breaker = leave(breaker, call, outcome, self._rules, time.time())
        return breaker, 0

    def listen(self) -> None:
        """Hear of changes from now on, if not yet."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="breakers", context=Context())

    def _of(self, route: str) -> Breaker:
        return self._known.get(route, WHOLE)

    async def _change(self, route: str, step: Step) -> float:
        """Take a step for all processes, or for this one alone. One at a time: the next sees what it did."""
        async with self._changing[route]:
            if time.monotonic() >= self._away_until:
                try:
                    return await self._change_shared(route, step)
                except AWAY as error:
                    logger.warning("this process keeps its breakers alone: %r", error)
                    self._away_until = time.monotonic() + AWAY_SECONDS
            breaker, wait = step(self._of(route))
            self._keep(route, _written(breaker))
            return wait

    async def _change_shared(self, route: str, step: Step) -> float:
        def swap(known: bytes) -> tuple[float, Swap]:
            before = read(known)
            breaker, wait = step(before)
            new = known if breaker is before else _written(breaker)
            return wait, Swap(breaker_key(route), known, new, self._milliseconds)

        known = self._copies.get(route, b"")
        async with asyncio.timeout(ANSWER_SECONDS):
            found = await change(known, swap)
            if found.value != known:
                self._keep(route, found.value)
                await ring_breaker(route)
        return found.result

    def _keep(self, route: str, value: bytes) -> None:
        """Take this for the state of the breaker from now on."""
        before, breaker = self._of(route).everybody.phase, read(value)
        if value:
            self._copies[route], self._known[route] = value, breaker
        else:
            self._copies.pop(route, None)
            self._known.pop(route, None)
        phase = breaker.everybody.phase
        if phase is not before:
            logger.warning("the breaker of %s is %s", route, phase.replace("_", "-"))
            counters.breaker_state.labels(route).set(list(Phase).index(phase))

    async def _listen(self) -> None:
        async for route in breaker_changes():
            routes = routes_guarded()
            await self._look([route] if route in routes else routes)

    async def _look(self, routes: Sequence[str]) -> None:
        try:
            values = await valkey().call("MGET", *map(breaker_key, routes))
        except RedisError as error:
            logger.warning("breakers could not be looked at: %r", error)
            return
        for route, value in zip(routes, values, strict=True):
            if (value or b"") != self._copies.get(route, b""):
                self._keep(route, value or b"")


@functools.cache
def breakers() -> Breakers:
    """Those of this process."""
    return Breakers(policy(chat_settings()))
