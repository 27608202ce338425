"""Who in this process listens for which user: the layer is asked once a user, whoever has many sockets."""

import asyncio
import functools
import logging
from collections.abc import Callable
from contextvars import Context
from typing import Protocol

import msgspec
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.stream.doorbell import (
    Check,
    Dismissal,
    Rung,
    Signal,
    Told,
    channel_layer,
    told,
    told_by,
    user_group,
)
from chatrouting.stream.frames import Frame
from chatrouting.stream.layer import ValkeyChannelLayer
from chatrouting.stream.log import Record, Top
from chatrouting.stream.loops import PerLoop
from chatrouting.stream.patience import may_wait
from chatrouting.stream.publishing import event_log
from routing_core.envelope import event_frame

logger = logging.getLogger(__name__)

CHECK_SECONDS = 25.0
BATCH = 500


class Ear(Protocol):
    """A socket, as far as it is told of things. Nothing here may block."""

    def hear(self, record: Record, frame: Frame) -> bool:
        """An event of its user, with the frame that all sockets share. True where it was sent."""
        ...

    def hear_top(self, top: Top) -> None:
        """Where its user's stream ends."""
        ...

    def hear_dismissal(self, dismissal: Dismissal) -> None:
        """Some of the user's sockets are to close; perhaps this one."""
        ...

    def hear_check(self) -> None:
        """Something was done to the user's account."""
        ...

    def hear_signal(self, signal: Signal, frame: Frame) -> None:
        """A frame that is not kept; it is for this socket unless the signal leaves it out."""
        ...


class _Listening:
    """One user's sockets in this process, and the one channel they share."""

    __slots__ = ("_hears", "_pump", "begun", "channel", "ears", "user_id")

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.ears: dict[Ear, None] = {}
        self._hears: tuple[Callable[[Record, Frame], bool], ...] = ()
        self.channel = ""
        name = f"listening for user {user_id}"
        self.begun = asyncio.create_task(self._begin(), name=name, context=Context())
        self._pump: asyncio.Task[None] | None = None

    async def _begin(self) -> None:
        layer = channel_layer()
        self.channel = await layer.new_channel()
        if isinstance(layer, ValkeyChannelLayer):
            layer.attach(self.channel, self.take)
        else:
            self._pump = asyncio.create_task(self._receive_all(), name=f"pump of {self.channel}")
        await layer.group_add(user_group(self.user_id), self.channel)

    async def end(self) -> None:
        """Listen no longer. Raises what the layer's backend raises."""
        self.begun.cancel()
        await asyncio.gather(self.begun, return_exceptions=True)
        layer = channel_layer()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        if isinstance(layer, ValkeyChannelLayer):
            layer.release(self.channel)
        elif self.channel:
            await layer.group_discard(user_group(self.user_id), self.channel)

    def add(self, ear: Ear) -> None:
        """Tell it of everything from now on."""
        self.ears[ear] = None
        self._settle()

    def discard(self, ear: Ear) -> None:
        """Tell it of nothing more."""
        del self.ears[ear]
        self._settle()

    def _settle(self) -> None:
        """What every event goes through is looked up here, once."""
        self._hears = tuple(ear.hear for ear in self.ears)

    def take(self, data: bytes) -> None:
        """One message of the layer. One that is none of ours is never acted on."""
        try:
            message = told(data)
        except msgspec.DecodeError as error:
            counters.events_lost.labels("undecodable").inc()
            logger.error("a layer message for user %s was dropped: %s", self.user_id, error)
        else:
            self._heed(message)

    def _heed(self, message: Told) -> None:
        match message:
            case Rung():
                self._event(message)
            case Dismissal():
                self.each(lambda ear: ear.hear_dismissal(message))
            case Check():
                self.each(lambda ear: ear.hear_check())
            case Signal():
                frame = Frame(message.text.encode())
                self.each(lambda ear: ear.hear_signal(message, frame))

    def _event(self, record: Record) -> None:
        frame = Frame(event_frame(record.body, record.seq), patient=may_wait(record.body))
        sent = 0
        for hear in self._hears:
            try:
                sent += hear(record, frame)
            except Exception:  # an edge: the next position check finds what this socket missed
                logger.exception("a socket of user %s was not told of an event", self.user_id)
        counters.events_delivered.inc(sent)

    def each(self, tell: Callable[[Ear], None]) -> None:
        """Tell every socket; one that fails keeps no other from being told."""
        for ear in tuple(self.ears):
            try:
                tell(ear)
            except Exception:  # an edge: as above
                logger.exception("a socket of user %s could not be told", self.user_id)

    async def _receive_all(self) -> None:
        """For a layer that nothing can be attached to."""
        layer = channel_layer()
        while True:
            message = await layer.receive(self.channel)
            try:
                self._heed(told_by(message))
            except Exception:  # an edge: what others send here must not end the pump
                logger.exception("a message on %s was not taken", self.channel)


class Listeners:
    """The sockets of one event loop, by the user they listen for."""

    def __init__(self) -> None:
        self._users: dict[str, _Listening] = {}
        self._checker: asyncio.Task[None] | None = None
        self._check_due = asyncio.Event()
        layer = channel_layer()
        if isinstance(layer, ValkeyChannelLayer):
            layer.here.reconnected.append(self._check_due.set)

    def __len__(self) -> int:
        return len(self._users)

    async def join(self, user_id: str, ear: Ear) -> None:
        """Listen for a user; everything is heard from when this returns.

        Raises what the layer's backend raises; then nothing is.
        """
        listening = self._users.get(user_id)
        if listening is None:
            listening = self._users[user_id] = _Listening(user_id)
        listening.add(ear)
        self._keep_checking()
        try:
            await asyncio.shield(listening.begun)
        except BaseException:
            await self.leave(user_id, ear)
            raise

    async def leave(self, user_id: str, ear: Ear) -> None:
        """Listen no longer. Does nothing where it did not. Raises what the layer's backend raises."""
        listening = self._users.get(user_id)
        if listening is None or ear not in listening.ears:
            return
        listening.discard(ear)
        if not listening.ears:
            del self._users[user_id]
            await listening.end()

    def _keep_checking(self) -> None:
        if self._checker is None or self._checker.done():
            self._checker = asyncio.create_task(
                self._check_positions(), name="position check", context=Context()
            )

    async def _check_positions(self) -> None:
        """Tell every socket where its stream ends: now and then, and after what may have been missed.

        Ends with the last socket.
        """
        while self._users:
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._check_due.wait()
            except TimeoutError:
                pass
            self._check_due.clear()
            try:
                await self._check_once()
            except RedisError as error:  # told again when Valkey is back
                logger.warning("positions could not be checked: %s", error)

    async def _check_once(self) -> None:
        users = list(self._users)
        for start in range(0, len(users), BATCH):
            batch = users[start : start + BATCH]
            for user_id, top in zip(batch, await event_log().tops(batch), strict=True):
                listening = self._users.get(user_id)
                if listening is not None and top is not None:
                    listening.each(functools.partial(_tell_top, top))


def _tell_top(top: Top, ear: Ear) -> None:
    ear.hear_top(top)


_listeners = PerLoop(Listeners)


def listeners() -> Listeners:
    """Those of this event loop."""
    return _listeners.here
