"""Is Valkey there: asked once, before a process begins its work."""

import redis
from django.conf import settings
from django.core.management.base import CommandError
from redis.backoff import NoBackoff
from redis.retry import Retry

SECONDS = 2


def demand_valkey() -> None:
    """Raises `CommandError` that says what to do where Valkey does not answer."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    try:
        client.ping()
    except redis.RedisError as error:
        raise CommandError(
            f"Valkey does not answer ({error}). Start `make run`, or set REDIS_URL."
        ) from None
    finally:
        client.close()
