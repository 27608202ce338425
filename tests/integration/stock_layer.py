"""The project's settings on the channel layer of channels-redis."""

from chatrouting.settings import *  # noqa: F403 - reason: all settings but one
from chatrouting.settings import REDIS_URL

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}
