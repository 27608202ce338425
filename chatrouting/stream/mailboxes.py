"""The channels and groups that live on one event loop."""

import asyncio
import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from chatrouting import counters
from chatrouting.stream.subscriber import Hear, Subscriber

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

    The queue is made when there is something for it: where another than the mailbox takes what comes,
    there never is.
    """

    capacity: int
    take: Hear = field(init=False)
    groups: set[str] = field(default_factory=set)
    _queue: asyncio.Queue[bytes] | None = None

    def __post_init__(self) -> None:
        self.take = self._put

    @property
    def queue(self) -> asyncio.Queue[bytes]:
        """What came and was not received yet."""
        if self._queue is None:
            self._queue = asyncio.Queue(self.capacity)
        return self._queue

    def _put(self, data: bytes) -> None:
        try:
            self.queue.put_nowait(data)
        except asyncio.QueueFull:
            counters.events_lost.labels("channel_full").inc()


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
        self.reconnected: list[Hook] = [renewed]
        self._subscriber = Subscriber(url, lost=lost, renewed=self._renewed)

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
            await self._listen(self._addresses.group(group), functools.partial(_post, members))
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
        await self._subscriber.close()

    async def _adopt(self, channel: str) -> None:
        """Receive on a channel that was not made here, or was forgotten: a general one, in most cases."""
        self._mailboxes[channel] = mailbox = self._new_mailbox()
        if "!" not in channel:
            hear = functools.partial(_post, {channel: mailbox})
            await self._listen(self._addresses.channel(channel), hear)

    def _new_mailbox(self) -> _Mailbox:
        return _Mailbox(self._capacity)

    async def _listen(self, address: str, hear: Hear) -> None:
        await self._subscriber.subscribe(address.encode(), hear)

    def _forget(self, address: str) -> None:
        self._subscriber.unsubscribe(address.encode())

    def _specific(self, data: bytes) -> None:
        channel, message = decode(data)
        mailbox = self._mailboxes.get(channel)
        if mailbox is not None:
            mailbox.take(encode(message))

    def _renewed(self) -> None:
        for hook in self.reconnected:
            hook()


def _post(members: dict[str, _Mailbox], data: bytes) -> None:
    """Bring one message to each."""
    for mailbox in tuple(members.values()):
        mailbox.take(data)
