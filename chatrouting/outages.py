"""A database or a Valkey that is away: duties that go on by themselves meet it again and again.

It is a line of the log each time. What nobody foresaw comes with its traceback.
"""

import logging

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from routing_core.errors import Overloaded

OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    Overloaded,
    RedisError,
    OSError,
)


def log_failure(
    logger: logging.Logger,
    what: str,
    error: BaseException,
    foreseen: tuple[type[Exception], ...] = OUTAGES,
) -> None:
    """Say what failed: a warning of one line where that was foreseen, else an error with its traceback."""
    if isinstance(error, foreseen):
        logger.warning("%s: %s: %s", what, type(error).__name__, error)
    else:
        logger.error("%s", what, exc_info=error)
