"""The channels and groups that live on one event loop."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from chatrouting import counters
from chatrouting.stream.subscriber import Subscriber

logger = logging.getLogger(__name__)

Take: TypeAlias = Callable[[Any], None]
Hook: TypeAlias = Callable[[], None]

PROCESS_LETTERS = 32

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are published: no two kinds share a name."""

    prefix: str

    def group(self, group: str) -> str:
        """Of a group."""
        return f"{self.prefix}.group.{group}"

    def channel(self, channel: str) -> str:
        """Of a channel: one that a process made is reached through that process."""
        process, made, _ = channel.partition("!")
        if made:
            return f"{self.prefix}.process.{process[-PROCESS_LETTERS:]}"
        return f"{self.prefix}.channel.{channel}"


@dataclass(eq=False, slots=True)
class _Mailbox:
    """A channel of this process: where its messages go, and which groups it is in.

    The queue is made when there is something for it: one that is attached never has any.
    """

    capacity: int
    take: Take | None = None
    groups: set[str] = field(default_factory=set)
    _queue: asyncio.Queue[bytes] | None = None

    @property
    def queue(self) -> asyncio.Queue[bytes]:
        """What came and was not received yet."""
        if self._queue is None:
            self._queue = asyncio.Queue(self.capacity)
        return self._queue


class Mailboxes:
    """The mailboxes of one event loop, and the connection that fills them."""

    def __init__(
        self, url: str, addresses: Addresses, capacity: int, *, lost: Hook, renewed: Hook
    ) -> None:
        self._addresses = addresses
        self._capacity = capacity
        self._process = uuid.uuid4().hex
        self._mailboxes: dict[str, _Mailbox] = {}
        self._groups: dict[str, dict[str, _Mailbox]] = {}
        self._hears: dict[bytes, Callable[[bytes], None]] = {}
        self.reconnected: list[Hook] = [renewed]
        self._subscriber = Subscriber(url, self._hear, lost=lost, renewed=self._renewed)

    async def new_channel(self, prefix: str) -> str:
        """As the layer's."""
        channel = f"{prefix}{self._process}!{uuid.uuid4().hex}"
        await self._listen(self._addresses.channel(channel), self._specific)
        self._mailboxes[channel] = self._new_mailbox()
        return channel

    async def receive(self, channel: str) -> Any:
        """As the layer's."""
        try:
            if channel not in self._mailboxes:
                await self._adopt(channel)
            data = await self._mailboxes[channel].queue.get()
        except BaseException:  # cancelled, or not subscribed: nobody receives here now
            self.release(channel)
            raise
        return decode(data)

    async def group_add(self, group: str, channel: str) -> None:
        """As the layer's."""
        mailbox = self.mailbox(channel)
        members = self._groups.setdefault(group, {})
        members[channel] = mailbox
        mailbox.groups.add(group)
        try:
            await self._listen(self._addresses.group(group), lambda data: _post(data, members))
        except BaseException:
            self.group_discard(group, channel)
            raise

    def group_discard(self, group: str, channel: str) -> None:
        """As the layer's."""
        members = self._groups.get(group, {})
        mailbox = members.pop(channel, None)
        if mailbox is None:
            return
        mailbox.groups.discard(group)
        if not members:
            del self._groups[group]
            self._forget(self._addresses.group(group))

    def release(self, channel: str) -> None:
        """As the layer's."""
        mailbox = self._mailboxes.pop(channel, None)
        if mailbox is None:
            return
        for group in list(mailbox.groups):
            self.group_discard(group, channel)
        if "!" not in channel:
            self._forget(self._addresses.channel(channel))

    def mailbox(self, channel: str) -> _Mailbox:
        """The mailbox of a channel of this process. Raises `RuntimeError` where it is another's."""
        mailbox = self._mailboxes.get(channel)
        if mailbox is None:
            raise RuntimeError(
                f"{channel!r} is no channel of this process; make it by new_channel()"
            )
        return mailbox

    async def close(self) -> None:
        """End the connection that listens; forget everything."""
        self._mailboxes.clear()
        self._groups.clear()
        self._hears.clear()
        await self._subscriber.close()

    async def _adopt(self, channel: str) -> None:
        """Receive on a channel that was not made here, or was forgotten: a general one, in most cases."""
        self._mailboxes[channel] = mailbox = self._new_mailbox()
        if "!" not in channel:
            await self._listen(self._addresses.channel(channel), lambda data: _put(data, mailbox))

    def _new_mailbox(self) -> _Mailbox:
        return _Mailbox(self._capacity)

    async def _listen(self, address: str, hear: Callable[[bytes], None]) -> None:
        self._hears[address.encode()] = hear
        await self._subscriber.subscribe(address.encode())

    def _forget(self, address: str) -> None:
        self._hears.pop(address.encode(), None)
        self._subscriber.unsubscribe(address.encode())

    def _hear(self, address: bytes, data: bytes) -> None:
        hear = self._hears.get(address, _nobody)
        try:
            hear(data)
        except (
            Exception
        ):  # an edge: what others publish here must not end the connection that listens
            logger.exception("a message on %r was not taken", address)

    def _specific(self, data: bytes) -> None:
        channel, message = decode(data)
        mailbox = self._mailboxes.get(channel)
        if mailbox is not None:
            _post(encode(message), {channel: mailbox})

    def _renewed(self) -> None:
        for hook in self.reconnected:
            hook()


def _post(data: bytes, members: dict[str, _Mailbox]) -> None:
    """Bring one message to each: decoded once for all who are attached, apart for all who receive."""
    message = None
    for mailbox in list(members.values()):
        if mailbox.take is None:
            _put(data, mailbox)
            continue
        if message is None:
            message = decode(data)
        mailbox.take(message)


def _put(data: bytes, mailbox: _Mailbox) -> None:
    try:
        mailbox.queue.put_nowait(data)
    except asyncio.QueueFull:
        counters.events_lost.labels("channel_full").inc()


def _nobody(data: bytes) -> None:
    """Whoever listened has just gone."""
