"""Tracebacks as Python prints them, each place of the code rendered once.

Python 3.11 takes 0.2 ms for ten frames, most of it for the marks below the lines, and the event loop stands
still for it. A handler that fails for one fails for many, at the same places.
"""

import logging
import traceback
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from types import CodeType, TracebackType
from typing import Any, TypeAlias, cast

ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

PLACES = 2_048  # rendered ones that are kept: those asked for last


class TracebackFormatter(logging.Formatter):
    """Python's own formatter of log lines, with these tracebacks."""

    def formatException(self, ei: ExcInfo) -> str:
        """The text that stands below the line."""
        return formatted(ei)


def formatted(exc_info: ExcInfo) -> str:
    """The traceback, with what caused it and what it is a group of, without a newline at its end."""
    error = exc_info[1]
    if error is None:
        return "NoneType: None"
    shown = traceback.TracebackException.from_exception(error, limit=0, compact=True)
    for each, of in _all(shown, error):
        each.stack = _stack(of.__traceback__)
    return "".join(shown.format()).removesuffix("\n")


_Pair: TypeAlias = tuple[traceback.TracebackException, BaseException]


def _all(shown: traceback.TracebackException, error: BaseException) -> Iterator[_Pair]:
    """What is shown, each with the exception it stands for."""
    left: list[_Pair] = [(shown, error)]
    while left:
        each, of = left.pop()
        yield each, of
        inner = of.exceptions if isinstance(of, BaseExceptionGroup) else ()
        near = [(each.__cause__, of.__cause__), (each.__context__, of.__context__)]
        near += zip(each.exceptions or (), inner, strict=False)
        left += [(one, other) for one, other in near if one is not None and other is not None]


class _Place(traceback.FrameSummary):
    """A place of the code. `text` is what a traceback says of it."""

    text: str = ""


class _Stack(traceback.StackSummary):
    """Places that are rendered already."""

    def format_frame_summary(self, frame_summary: traceback.FrameSummary, **_: Any) -> str:
        """Of a place, as of everything that this stack is made of."""
        return cast(_Place, frame_summary).text


def _stack(trace: TracebackType | None) -> _Stack:
    stack = _Stack()
    while trace is not None:
        stack.append(_place(trace.tb_frame.f_code, trace.tb_lasti, trace.tb_lineno))
        trace = trace.tb_next
    return stack


@lru_cache(PLACES)
def _place(code: CodeType, instruction: int, line: int) -> _Place:
    position = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    _, end, column, end_column = position
    place = _Place(
        code.co_filename,
        line,
        code.co_name,
        end_lineno=end,
        colno=column,
        end_colno=end_column,
    )
    place.text = traceback.StackSummary().format_frame_summary(place)
    return place
