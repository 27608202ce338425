"""Channel layers for tests, each with a prefix of its own."""

import asyncio
from typing import Any

from django.conf import settings

from chatrouting.stream.layer import ValkeyChannelLayer
from tests.stream.streams import new_id

SECONDS = 5


def make(**config: Any) -> ValkeyChannelLayer:
    """A layer that shares its prefix with no other."""
    return ValkeyChannelLayer([settings.REDIS_URL], **{"prefix": new_id(), **config})


async def next_of(layer: ValkeyChannelLayer, channel: str) -> Any:
    """The next message of a channel."""
    return await asyncio.wait_for(layer.receive(channel), SECONDS)
