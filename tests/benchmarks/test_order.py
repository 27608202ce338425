"""Whether the numbers on a socket are whole."""

import pytest

from tests.benchmarks.order import Order


@pytest.mark.parametrize(
    ("numbers", "missing", "repeated"),
    [
        ([], 0, 0),
        ([8, 9, 10], 0, 0),
        ([8, 10], 1, 0),
        ([10], 2, 0),
        ([8, 8, 9], 0, 1),
        ([7, 8], 0, 1),
        ([8, 10, 9, 11], 1, 1),
    ],
)
def test_numbers_follow_one_another(numbers, missing, repeated):
    order = Order(after=7)
    for number in numbers:
        order.take(number)

    assert (order.missing, order.repeated) == (missing, repeated)
    assert order.faults == missing + repeated
