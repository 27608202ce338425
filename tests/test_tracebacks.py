"""Tracebacks read as Python's own, and the second of a kind costs a fraction of the first."""

import logging
import sys
import traceback

import pytest

from chatrouting import tracebacks
from chatrouting.tracebacks import TracebackFormatter, formatted


def _divide(by):
    return [
        1 / by,
    ]


def _deeper(depth):
    return _deeper(depth - 1) if depth else _divide(0)


def _caused():
    try:
        _divide(0)
    except ZeroDivisionError as error:
        raise LookupError("no quotient") from error


def _in_passing():
    try:
        _divide(0)
    except ZeroDivisionError:
        return {}["key"]


def _unlinked():
    try:
        _divide(0)
    except ZeroDivisionError:
        raise LookupError("alone") from None


def _circle():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    raise one


def _group():
    inner = [_raised(_caused), _raised(_in_passing)]
    raise ExceptionGroup("many", [*inner, ExceptionGroup("more", [_raised(_deeper, 3)])])


def _noted():
    error = ValueError("of two\nlines")
    error.add_note("a note")
    raise error


def _misspelt():
    return _devide(0)  # noqa: F821 - reason: the mistake is what is tried


def _no_source():
    exec(compile("1 / 0", "<nowhere>", "exec"))  # noqa: S102 - reason: code without a file


def _no_syntax():
    compile("1 +* 2", "<typed>", "exec")


def _raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - reason: whatever it raises is what is looked at
        return error


WAYS = (_caused, _in_passing, _unlinked, _circle, _group, _noted, _misspelt, _no_source, _no_syntax)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_it_is_what_python_prints(way):
    """Row 105."""
    error = _raised(way)
    expected = "".join(traceback.format_exception(error)).rstrip("\n")
    for _ in range(2):  # rendered, and kept
        assert formatted((type(error), error, error.__traceback__)) == expected


def test_a_recursion_is_told_in_short():
    error = _raised(_deeper, 200)
    text = formatted((type(error), error, error.__traceback__))
    assert "Previous line repeated 19" in text
    assert len(text) < 1_500


def test_an_exception_that_was_never_raised_has_no_stack():
    error = ValueError("new")
    assert formatted((ValueError, error, None)) == "ValueError: new"


def test_a_line_of_the_log_that_has_none_says_so():
    assert formatted((None, None, None)) == logging.Formatter().formatException((None, None, None))


def test_a_place_is_rendered_once():
    """Row 36: what the second traceback costs does not keep others waiting."""
    tracebacks._place.cache_clear()
    for _ in range(10):
        error = _raised(_deeper, 0)
        formatted((type(error), error, error.__traceback__))
    assert tracebacks._place.cache_info().misses == 3


def test_no_frame_is_kept_alive():
    """A frame holds what its user sent."""

    class Sent:
        pass

    sent = Sent()
    before = sys.getrefcount(sent)

    def fail(what):
        raise ValueError(id(what))

    error = _raised(fail, sent)
    formatted((type(error), error, error.__traceback__))
    del error
    assert sys.getrefcount(sent) == before


def test_the_formatter_puts_it_below_the_line():
    error = _raised(_caused)
    raised = (LookupError, error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, raised)
    assert TracebackFormatter().format(record) == logging.Formatter().format(record)
