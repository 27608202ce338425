"""The calculator computes and never evaluates; the clock knows zones."""

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatrouting.agents.demo_tools import LARGEST_VALUE, calculate, calculator, clock, slow


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1", 1),
        ("1+1", 2),
        (" (2 + 3) * 4 ", 20),
        ("2 ** 10", 1024),
        ("7 // 2", 3),
        ("-7 % 3", 2),
        ("1 / 4", 0.25),
        ("--1", 1),
        ("+1.5e3", 1500.0),
        ("2 ** -1", 0.5),
        ("10 ** 100", 10**100),
        ("0x10 + 1_000", 1016),
    ],
)
def test_arithmetic_is_exact(expression, value):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "", " ", "1 +", "(1", "one", "True", "None", "'a' * 9", "b'a'", "f'{1}'", "1j", "...",
        "__import__('os')", "(1).__class__", "abs(1)", "[1]", "{1: 2}", "(1, 2)", "[x for x in (1,)]",
        "lambda: 1", "x := 1", "1 if 1 else 2", "1 < 2", "1 and 2", "not 1", "~1", "1 << 9", "1 | 2",
        "1 @ 2", "1; 2", "import os", "yield 1", "await x", "x", "1\n2", "1#\n+", "\x00", "\ud800",
        "1e999", "9" * 400, "9" * 5000, "1 / 0", "1 % 0", "1 // 0", "0 ** -1", "(-8) ** 0.5",
        "10 ** 101", "10 ** -101", "(10 ** 100) ** 100", "10 ** 300 * 10", "1e308 * 10",
        "1.5 ** 10 ** 300", "10 ** 10 ** 10", "9 ** 9 ** 9",
        "(" * 5000 + "1" + ")" * 5000, "-" * 100_000 + "1", "1" + "+1" * 50_000,
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_or_too_large_is_refused_fast(expression):
    began = time.perf_counter()

    with pytest.raises(ValueError):
        calculate(expression)

    assert time.perf_counter() - began < 2


arithmetic = st.text(alphabet="0123456789+-*/%(). e", max_size=60)
python = st.text(alphabet="0123456789+-*/%(). e_abcimport[]{}'\",:<>=&|^~@\n", max_size=60)


@given(arithmetic | python | st.text(max_size=40))
@example("1_0")
@settings(max_examples=300, deadline=None)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_any_text_gives_a_bounded_number_or_a_value_error(text):
    try:
        value = calculate(text)
    except ValueError:
        return
    assert type(value) in (int, float)
    assert math.isfinite(value) and abs(value) <= LARGEST_VALUE


numbers = st.integers(-1000, 1000).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} ({parts[2]}))"
    ),
    max_leaves=8,
)


@given(expressions)
def test_sums_and_products_are_what_python_says(expression):
    assert calculate(expression) == eval(expression)  # noqa: S307 - reason: digits and signs made here


async def test_the_tool_says_what_is_not_allowed():
    assert await calculator.function("abs(1)") == (
        "Only numbers, brackets and + - * / // % ** are allowed."
    )


async def test_the_clock_tells_the_time_of_a_zone():
    assert (await clock.function("Europe/Paris"))[-6:] in ("+01:00", "+02:00")


@pytest.mark.parametrize(
    "zone", ["Nowhere/At", "../../etc/passwd", "/etc/passwd", "", "a" * 5000, "\x00", "Europe"]
)
async def test_the_clock_says_where_there_is_no_zone(zone):
    assert (await clock.function(zone)).startswith("There is no zone")


async def test_the_slow_tool_says_how_long_it_took():
    assert await slow.function(0.01) == "waited 0.01 s"
