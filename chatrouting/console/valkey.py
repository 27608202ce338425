"""Valkey, for who looks at it without an event loop: views and commands."""

import functools

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

SECONDS = 2


@functools.cache
def valkey_now() -> redis.Redis:
    """The client of this process. It waits two seconds at most, and raises redis-py's errors."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
