"""How often a password may be tried: counted by name and address together, for all web processes.

An attempt is counted before the password is looked at, so that many at once find no gap between look
and count. Nobody at another address can lock a user out, and an address that tries many names locks
out none of them anywhere else.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from django.core.cache import BaseCache, caches
from redis.exceptions import RedisError

from chatrouting.conf import chat_settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

SHARED = "sign_in"  # the cache of all web processes
ALONE = "default"  # where that one is away: this process's own
AWAY = (RedisError, OSError)


class Numbers:
    """Keeps plain numbers in the cache: nothing that is read from there is unpickled."""

    def dumps(self, value: int) -> int:
        """What is stored."""
        return value

    def loads(self, data: bytes) -> int:
        """What was stored. Raises `ValueError` where that is no number."""
        return int(data)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody at this address gives a password for this name."""

    name: str
    address: str

    @property
    def key(self) -> str:
        """Where its failures are counted; tells neither name nor address."""
        text = f"{network_of(self.address)} {self.name.casefold()}"
        return hashlib.sha256(text.encode()).hexdigest()

    def begin(self) -> int:
        """Count it. Returns 0 where it may be made, else the seconds until the next may be."""
        return _kept(lambda cache: _begin(cache, self.key))

    def succeeded(self) -> None:
        """Forget the failures before it."""
        return _kept(lambda cache: _forget(cache, self.key))


def _kept(work: Callable[[BaseCache], T]) -> T:
    """Do it where all processes count; where that is away, this one counts for itself."""
    try:
        return work(caches[SHARED])
    except AWAY as error:
        logger.warning("this process counts failed sign-ins alone: %s", error)
        return work(caches[ALONE])


def _begin(cache: BaseCache, key: str) -> int:
    conf = chat_settings()
    pause = math.ceil(conf.sign_in_pause_seconds)
    count = _count(cache, key, pause)
    if count > conf.sign_in_failures:
        left: float = cache.get(_until(key), 0) - time.time()
        return min(max(math.ceil(left), 1), pause)
    cache.touch(key, pause)  # also gives an end to a number that was begun by `incr`
    if count == conf.sign_in_failures:
        cache.set(_until(key), math.ceil(time.time()) + pause, pause)
    return 0


def _count(cache: BaseCache, key: str, seconds: int) -> int:
    while not cache.add(key, 1, seconds):
        try:
            counted: int = cache.incr(key)
            return counted
        except ValueError:  # it expired between the two
            continue
    return 1


def _forget(cache: BaseCache, key: str) -> None:
    cache.delete(key)
    cache.delete(_until(key))


def _until(key: str) -> str:
    """Where the time is kept at which the next attempt may be made."""
    return f"{key}.until"


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 subscriber has a whole network of 64 bits."""
    try:
        found = ip_address(address)
    except ValueError:  # a unix socket has none
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or f"{int(found) >> 64:x}")
