"""This loop's connection that listens to Valkey's channels, kept open for as long as it is wanted."""

import asyncio
import contextlib
import logging
import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextvars import Context
from typing import Any, TypeAlias

from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as NotAnswered

from chatrouting.stream.valkey import end_with_loop, valkey
from chatrouting.stream.wire import Wire, connect

logger = logging.getLogger(__name__)

Hear: TypeAlias = Callable[[bytes], None]

CONFIRM_SECONDS = 5.0
SILENCE_SECONDS = 15.0  # the connection is tried once it was silent for one such time whole
ECHO_SECONDS = 5.0
BACKOFF_SECONDS = (0.02, 2.0)


class Subscriber:
    """Subscriptions that survive a lost connection.

    `lost` is called when the connection is lost, `renewed` once everything is subscribed to again: what
    was published meanwhile was not heard.
    """

    def __init__(self, url: str, *, lost: Callable[[], None], renewed: Callable[[], None]) -> None:
        self._url = url
        self._lost, self._renewed = lost, renewed
        self._probe = f"probe.{uuid.uuid4().hex}".encode()
        self._wanted: dict[bytes, Hear] = {}
        self._confirmed: set[bytes] = set()
        self._unconfirmed: Counter[bytes] = Counter()
        self._confirmations: dict[bytes, asyncio.Future[bool]] = {}
        self._wire: Wire | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pushes = 0  # tells whether anything came; a clock would cost 1.5 µs a message
        self._end: AsyncGenerator[None, None] | None = None

    async def subscribe(self, channel: bytes, hear: Hear) -> None:
        """Listen to the channel; it is listened to when this returns.

        `hear` gets the data of every message, at once and in order; whoever subscribed last hears.
        Raises redis-py's `ConnectionError` or `TimeoutError`; then nobody does.
        """
        self._wanted[channel] = hear
        if channel in self._confirmed:
            return
        await self._keep()
        confirmation = self._confirmations.get(channel)
        if confirmation is None:
            confirmation = asyncio.get_running_loop().create_future()
            self._confirmations[channel] = confirmation
            self._ask(channel)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                confirmed = await asyncio.shield(confirmation)
        except TimeoutError:
            confirmed = False
            self.unsubscribe(channel)
        if not confirmed:
            raise NotAnswered("Valkey did not confirm a subscription in time")

    def unsubscribe(self, channel: bytes) -> None:
        """Listen to the channel no longer. Does nothing where nobody did."""
        self._wanted.pop(channel, None)
        self._confirmed.discard(channel)
        confirmation = self._confirmations.pop(channel, None)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(False)
        if self._wire is not None:
            with contextlib.suppress(NotConnected):
                self._wire.push("UNSUBSCRIBE", channel)

    async def close(self) -> None:
        """End the connection and forget every subscription."""
        for channel in list(self._wanted):
            self.unsubscribe(channel)
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    def _ask(self, *channels: bytes) -> None:
        if self._wire is None:  # the keeper asks for all that is wanted once there is a connection
            return
        with contextlib.suppress(NotConnected):
            self._wire.push("SUBSCRIBE", *channels)
            self._unconfirmed.update(channels)

    async def _keep(self) -> None:
        if self._end is None:
            self._end = await end_with_loop(self.close)
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(
                self._keep_connected(), name="valkey subscriber", context=Context()
            )

    async def _keep_connected(self) -> None:
        """Hold a connection, for ever; a lost one is replaced after a random pause.

        The pause grows for as long as connections bring nothing.
        """
        first, pause = True, BACKOFF_SECONDS[0]
        while True:
            before = self._pushes
            try:
                self._wire = await connect(self._url, self._take)
            except RedisError as error:
                logger.warning("the subscriber cannot connect: %s", error)
            else:
                await self._listen_until_lost(self._wire, first)
                first = False
            if self._pushes != before:
                pause = BACKOFF_SECONDS[0]
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - reason: only spreads load
            pause = min(pause * 2, BACKOFF_SECONDS[1])

    async def _listen_until_lost(self, wire: Wire, first: bool) -> None:
        try:
            await self._listen(wire, first)
        finally:
            wire.close()
            self._wire = None
            self._confirmed.clear()
        logger.warning("the subscriber lost its connection; it subscribes again")
        self._lost()

    async def _listen(self, wire: Wire, first: bool) -> None:
        """Subscribe to everything wanted, and watch the connection until it is lost."""
        self._unconfirmed.clear()
        for channel in self._wanted.keys() - self._confirmations.keys():
            self._confirmations[channel] = asyncio.get_running_loop().create_future()
        self._ask(self._probe, *self._wanted)
        renewal = None if first else asyncio.create_task(self._tell_renewed())
        try:
            while await self._alive(wire):
                pass
        finally:
            if renewal is not None:
                renewal.cancel()

    async def _tell_renewed(self) -> None:
        if self._confirmations:
            await asyncio.wait(set(self._confirmations.values()))
        self._renewed()

    async def _alive(self, wire: Wire) -> bool:
        """Watch for a while: False once the connection is lost, or is deaf to its own process."""
        before = self._pushes
        lost, _ = await asyncio.wait({wire.lost}, timeout=SILENCE_SECONDS)
        if lost or self._pushes != before:
            return not lost
        with contextlib.suppress(RedisError):
            await valkey(self._url).call("PUBLISH", self._probe, b"")
        await asyncio.wait({wire.lost}, timeout=ECHO_SECONDS)
        return self._pushes != before and not wire.lost.done()

    def _take(self, push: Any) -> None:
        if isinstance(push, RedisError):  # its subscription is never confirmed
            logger.error("Valkey refused to subscribe: %s", push)
            return
        self._pushes += 1
        kind, channel, data = push
        if kind == b"message":
            try:
                self._wanted.get(channel, _nobody)(data)
            except (
                Exception
            ):  # an edge: what others publish must not end the connection that listens
                logger.exception("a message on %r was not taken", channel)
        elif kind == b"subscribe":
            self._confirm(channel)

    def _confirm(self, channel: bytes) -> None:
        """Of several subscriptions to a channel the last counts: an unsubscription may stand between."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] > 0:
            return
        del self._unconfirmed[channel]
        if channel not in self._wanted:
            return
        self._confirmed.add(channel)
        confirmation = self._confirmations.pop(channel, None)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(True)


def _nobody(data: bytes) -> None:
    """Whoever listened has just gone."""
