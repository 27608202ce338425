"""What is away is a line of the log; what nobody foresaw has its traceback."""

import logging

import pytest
from django.db import OperationalError
from redis.exceptions import TimeoutError as ValkeyTimeout

from chatrouting.outages import log_failure
from routing_core.errors import Overloaded

logger = logging.getLogger(__name__)

AWAY = ConnectionRefusedError(111, "refused")
LOCKED = OperationalError("database is locked")


@pytest.mark.parametrize("error", [AWAY, LOCKED, ValkeyTimeout("late"), Overloaded(retry_after_ms=1)],
                         ids=lambda error: type(error).__name__)  # fmt: skip
def test_an_outage_is_one_line_of_the_log(caplog, error):
    log_failure(logger, "it failed", error)

    (line,) = caplog.records
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert line.getMessage() == f"it failed: {type(error).__name__}: {error}"


def test_what_nobody_foresaw_has_its_traceback(caplog):
    error = KeyError("x")

    log_failure(logger, "it failed", error)

    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("ERROR", "it failed")
    assert line.exc_info[1] is error
