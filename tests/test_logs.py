"""What a line of the log says without `DEBUG`: one JSON object, with the ids that are bound."""

import json
import logging
from logging.config import DictConfigurator

from django.conf import settings
from structlog.contextvars import bound_contextvars


def line(record):
    formatter = DictConfigurator(settings.LOGGING).configure_formatter(
        dict(settings.LOGGING["formatters"]["json"])
    )
    return json.loads(formatter.format(record))


def test_a_line_is_one_object_with_the_ids_that_are_bound():
    """Row 105."""
    record = logging.LogRecord("a.room", logging.INFO, "x.py", 1, "said %s", ("a\nb",), None)
    with bound_contextvars(trace_id="t1", user_id="7"):
        told = line(record)

    assert (told["event"], told["level"], told["logger"]) == ("said a\nb", "info", "a.room")
    assert (told["trace_id"], told["user_id"]) == ("t1", "7")


def test_a_cause_is_in_it():
    """Row 105."""
    try:
        raise ValueError("why")
    except ValueError as error:
        cause = (ValueError, error, error.__traceback__)

    told = line(logging.LogRecord("a", logging.ERROR, "x.py", 1, "failed", (), cause))

    assert told["exception"].endswith("ValueError: why")
