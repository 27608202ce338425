"""The channel layer: a `CHANNEL_LAYERS` backend on Valkey's pub/sub.

It keeps the contract of channels-redis's pub/sub layer and adds `attach`: messages that are handed over
as they come, without a queue or a task between.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import redis
from channels.layers import BaseChannelLayer
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from chatrouting.stream.loops import PerLoop
from chatrouting.stream.mailboxes import Addresses, Hook, Mailboxes, encode
from chatrouting.stream.subscriber import Hear
from chatrouting.stream.valkey import valkey

CAPACITY = 1_000
SYNC_SECONDS = 2


class ValkeyChannelLayer(BaseChannelLayer):
    """Channels, groups and flush over one Valkey (or Redis); one subscribing connection an event loop.

    `hosts` holds one address. A channel that nobody empties keeps `capacity` messages; what comes then is
    dropped and counted. `on_disconnect` and `on_reconnect` are callables, or dotted paths of such, without
    arguments: the second is called when all subscriptions stand again, and says that messages may have
    been missed.
    """

    extensions: ClassVar[list[str]] = ["groups", "flush", "attach"]

    def __init__(
        self,
        hosts: Sequence[str],
        prefix: str = "chatrouting",
        capacity: int = CAPACITY,
        on_disconnect: Hook | str | None = None,
        on_reconnect: Hook | str | None = None,
    ) -> None:
        if isinstance(hosts, str) or len(hosts) != 1 or not isinstance(hosts[0], str):
            raise ImproperlyConfigured(
                'CHANNEL_LAYERS: this backend takes one address, as in "hosts": ["redis://localhost:6379"].'
            )
        super().__init__(capacity=capacity)
        self.url, self.prefix = hosts[0], prefix
        self.on_disconnect, self.on_reconnect = _hook(on_disconnect), _hook(on_reconnect)
        self._sync: redis.Redis | None = None
        self._addresses = Addresses(prefix)
        self._loops = PerLoop(self._mailboxes)

    async def send(self, channel: str, message: Any) -> None:
        """Send to a channel, of whatever process. Raises redis-py's errors where Valkey is away."""
        self.require_valid_channel_name(channel)
        data = encode((channel, message) if "!" in channel else message)
        await valkey(self.url).call("PUBLISH", self._addresses.channel(channel), data)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """A new channel of this process."""
        self.require_valid_channel_name(prefix)
        return await self.here.new_channel(prefix)

    async def receive(self, channel: str) -> Any:
        """The next message of a channel. A cancelled `receive` forgets the channel and its groups."""
        self.require_valid_channel_name(channel)
        return await self.here.receive(channel)

    async def group_add(self, group: str, channel: str) -> None:
        """Put a channel of this process into a group; it hears it when this returns."""
        self.require_valid_group_name(group)
        await self.here.group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group. Does nothing where it is not in it."""
        self.require_valid_group_name(group)
        self.here.group_discard(group, channel)

    async def group_send(self, group: str, message: Any) -> None:
        """Send to all channels of a group. Raises redis-py's errors where Valkey is away."""
        self.require_valid_group_name(group)
        await valkey(self.url).call("PUBLISH", self.group_address(group), encode(message))

    def group_send_now(self, group: str, message: Any) -> None:
        """`group_send` for callers without an event loop: views, signals, commands."""
        self.require_valid_group_name(group)
        if self._sync is None:
            self._sync = redis.Redis.from_url(
                self.url, socket_timeout=SYNC_SECONDS, socket_connect_timeout=SYNC_SECONDS
            )
        self._sync.publish(self.group_address(group), encode(message))

    async def flush(self) -> None:
        """Forget every channel and group of this loop and close its connections."""
        here = self._loops.pop()
        if here is not None:
            await here.close()

    def attach(self, channel: str, take: Hear) -> None:
        """Hand every message of this channel to `take` as it comes, in MessagePack.

        It must not block; what it raises is logged, and who else is in the group may miss the message.
        """
        self.here.mailbox(channel).take = take

    def release(self, channel: str) -> None:
        """Forget a channel of this process, with its memberships."""
        self.here.release(channel)

    def group_address(self, group: str) -> str:
        """Where a group's messages are published, for a script that publishes itself."""
        return self._addresses.group(group)

    @property
    def here(self) -> Mailboxes:
        """This event loop's part of the layer."""
        return self._loops.here

    def _mailboxes(self) -> Mailboxes:
        return Mailboxes(
            self.url,
            self._addresses,
            self.capacity,
            lost=self.on_disconnect,
            renewed=self.on_reconnect,
        )


def _hook(given: Hook | str | None) -> Hook:
    """What the settings name."""
    if given is None:
        return lambda: None
    found: Hook = import_string(given) if isinstance(given, str) else given
    return found
