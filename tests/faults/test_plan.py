"""The same seed brings the same faults."""

from itertools import islice

from tests.faults.plan import faults

KINDS = ["kill", "cut", "pause", "flush"]


def first(count, seed):
    return list(islice(faults(seed, KINDS), count))


def test_a_seed_decides_what_happens():
    assert first(40, 7) == first(40, 7)
    assert first(40, 7) != first(40, 8)


def test_every_kind_comes_once_a_round():
    rounds = [first(12, 3)[start : start + 4] for start in (0, 4, 8)]

    assert [sorted(fault.kind for fault in each) for each in rounds] == [sorted(KINDS)] * 3
