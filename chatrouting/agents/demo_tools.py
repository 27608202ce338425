"""The demo agent's tools: real ones, and some that show how a call can end."""

import ast
import asyncio
import operator
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta

from chatrouting.agents.tools import ToolContext, tool

LARGEST_EXPONENT = 100
LARGEST_VALUE = 10**300

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def calculate(expression: str) -> float:
    """The value of an arithmetic expression. Raises `ValueError` that says what is not allowed."""
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError("This is not an arithmetic expression.") from None
    except ZeroDivisionError:
        raise ValueError("Division by zero.") from None
    except OverflowError:
        raise ValueError("The result is too large.") from None


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _bounded(number)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _combined(op, _value(left), _value(right))
    raise ValueError("Only numbers, brackets and + - * / // % ** are allowed.")


def _combined(op: ast.operator, left: float, right: float) -> float:
    if isinstance(op, ast.Pow) and abs(right) > LARGEST_EXPONENT:
        raise ValueError(f"Exponents go up to {LARGEST_EXPONENT}.")
    result = _BINARY[type(op)](left, right)
    if isinstance(result, complex):
        raise ValueError("The result is not a real number.")
    return _bounded(result)


def _bounded(number: float) -> float:
    if abs(number) > LARGEST_VALUE:
        raise ValueError("The result is too large.")
    return number


@tool
async def calculator(expression: Annotated[str, Meta(min_length=1, max_length=200)]) -> float | str:
    """Compute an arithmetic expression, for example (2 + 3) * 4."""
    try:
        return calculate(expression)
    except ValueError as error:
        return str(error)


@tool
async def clock(zone: str = "UTC") -> str:
    """The present date and time in a zone, for example Europe/Paris."""
    try:
        return datetime.now(ZoneInfo(zone)).isoformat(timespec="seconds")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f"There is no zone {zone!r}; UTC is {datetime.now(timezone.utc):%Y-%m-%d %H:%M}."


@tool(needs_approval=True)
async def note(text: Annotated[str, Meta(min_length=1, max_length=200)], mine: ToolContext) -> str:
    """Note something down, once its person allows it: shows a call that needs approval."""
    return f"noted for {mine.user.name}: {text}"


@tool
async def failing() -> None:
    """Always fails: shows what a failing tool looks like."""
    raise RuntimeError("this tool always fails")


@tool
async def slow(seconds: Annotated[float, Meta(ge=0, le=600)]) -> str:
    """Takes a while: shows a tool at work."""
    await asyncio.sleep(seconds)
    return f"waited {seconds:g} s"
