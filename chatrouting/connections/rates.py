"""How fast a person may send: one rate for all their sockets, in whatever process they are.

The bucket is in Valkey. A process takes some tokens out of it at a time and spends them on its own, so
that most messages ask nobody; what it does not spend in time counts as spent. `routing_core.limits`
says why the rate holds all the same. While Valkey is away each process keeps a bucket of its own.
"""

import asyncio
import functools
import logging
import time
import uuid
from contextvars import Context

import msgspec
from redis.exceptions import RedisError

from chatrouting.conf import ChatSettings, chat_settings
from chatrouting.stream.shared import Contended, Swap, change
from routing_core.limits import Allowance, Ask, Bucket, Grant, Rate, full_bucket, lease

logger = logging.getLogger(__name__)

LEASE_SECONDS = 5.0
LEASE_SHARE = 10  # of a burst, a tenth is taken at a time
ANSWER_SECONDS = 0.5  # for Valkey; a message waits no longer for its tokens
AWAY_SECONDS = 2.0  # for which Valkey is not asked again
SECONDS_IN_MINUTE = 60

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Bucket).decode


class Sender:
    """One person's messages in this process."""

    __slots__ = ("allowance", "alone", "asking", "known")

    def __init__(self) -> None:
        self.allowance = Allowance()
        self.known = b""
        self.alone: Bucket | None = None
        self.asking: asyncio.Task[None] | None = None


class Rates:
    """The rates of all who send to this process."""

    def __init__(self, conf: ChatSettings) -> None:
        self._rate = Rate(conf.messages_per_minute / SECONDS_IN_MINUTE, conf.messages_burst)
        self._most = max(1, conf.messages_burst // LEASE_SHARE)
        self._holder = uuid.uuid4().hex[:12]
        self._senders: dict[str, Sender] = {}
        self._away_until = 0.0

    def __len__(self) -> int:
        return len(self._senders)

    def spend(self, user_id: str) -> bool:
        """Count a message of this person where that needs no question; else `wait` has to be asked."""
        sender = self._senders.get(user_id)
        return sender is not None and sender.allowance.take(_now())

    def refused(self, user_id: str) -> float:
        """Seconds until a message of this person may be served, where none may and that is known; else 0."""
        sender = self._senders.get(user_id)
        return 0.0 if sender is None else sender.allowance.wait(_now())

    async def wait(self, user_id: str) -> float:
        """Count a message of this person: 0 where it may be served, else the seconds until the next may be."""
        sender = self._sender(user_id)
        while not sender.allowance.take(now := _now()):
            wait = sender.allowance.wait(now)
            if wait:
                return wait
            if sender.asking is None:
                asking = self._ask(user_id, sender)
                sender.asking = asyncio.create_task(asking, name="rate", context=Context())
            await asyncio.shield(sender.asking)
        return 0

    def _sender(self, user_id: str) -> Sender:
        if user_id not in self._senders:
            self._senders[user_id] = Sender()
            self._forget_later(user_id)
        return self._senders[user_id]

    async def _ask(self, user_id: str, sender: Sender) -> None:
        """Take tokens for this person: one question for all who wait for its answer."""
        asked_at = _now()
        ask = Ask(self._holder, sender.allowance.tokens, self._most, LEASE_SECONDS)
        try:
            grant = await self._granted(user_id, sender, ask)
        finally:
            sender.asking = None
        sender.allowance.note(grant, asked_at, LEASE_SECONDS)

    async def _granted(self, user_id: str, sender: Sender, ask: Ask) -> Grant:
        if _now() >= self._away_until:
            try:
                return await self._shared(user_id, sender, ask)
            except (RedisError, TimeoutError, Contended) as error:
                logger.warning("this process limits rates alone: %r", error)
                self._away_until = _now() + AWAY_SECONDS
        bucket = sender.alone or full_bucket(self._rate, _now())
        sender.alone, grant = lease(bucket, self._rate, ask, _now())
        return grant

    async def _shared(self, user_id: str, sender: Sender, ask: Ask) -> Grant:
        def step(known: bytes) -> tuple[Grant, Swap]:
            now = time.time()
            bucket = _decode(known) if known else full_bucket(self._rate, now)
            left, grant = lease(bucket, self._rate, ask, now)
            return grant, Swap(_key(user_id), known, _encode(left), self._milliseconds)

        async with asyncio.timeout(ANSWER_SECONDS):
            found = await change(sender.known, step)
        sender.known, sender.alone = found.value, None
        return found.result

    @property
    def _milliseconds(self) -> int:
        """Until a bucket is full again, whatever was taken: from then on it need not be kept."""
        seconds = self._rate.burst / self._rate.per_second + 2 * LEASE_SECONDS
        return round(1000 * seconds)

    def _forget_later(self, user_id: str) -> None:
        asyncio.get_running_loop().call_later(LEASE_SECONDS, self._forget, user_id)

    def _forget(self, user_id: str) -> None:
        """Nothing of a person stays here for long after their last message."""
        sender = self._senders[user_id]
        if sender.asking is None and sender.allowance.is_over(_now()):
            del self._senders[user_id]
        else:
            self._forget_later(user_id)


@functools.cache
def rates() -> Rates:
    """Those of this process."""
    return Rates(chat_settings())


def _key(user_id: str) -> str:
    return f"{{u:{user_id}}}:rate"


def _now() -> float:
    return asyncio.get_running_loop().time()
