"""How long what waits for a socket has waited, known from how much was written and how much is left."""

from hypothesis import given
from hypothesis import strategies as st

from chatrouting.connections.slowness import SlowSockets, _Marks
from tests.agents.waiting import until


class Reader:
    """A socket that bytes wait for."""

    def __init__(self, left=0):
        self.left, self.slow = left, 0

    def waiting(self):
        return self.left

    def too_slow(self):
        self.slow += 1


async def told(reader):
    """Wait until it is told that it is too slow."""

    async def is_told():
        return reader.slow

    await until(is_told)


async def test_one_that_takes_nothing_is_told_once_and_forgotten():
    """Row 43."""
    sockets, reader = SlowSockets(), Reader(100)
    sockets.note(reader, 100, 0.05)

    await told(reader)

    assert (reader.slow, len(sockets)) == (1, 0)


async def test_one_that_takes_everything_is_forgotten_and_not_told():
    sockets, reader = SlowSockets(), Reader(100)
    sockets.note(reader, 100, 0.05)
    reader.left = 0

    async def forgotten():
        return not len(sockets)

    await until(forgotten)

    assert reader.slow == 0


async def test_what_is_excused_never_waits_too_long():
    sockets, excused, witness = SlowSockets(), Reader(1), Reader(1)
    for reader in (excused, witness):
        sockets.note(reader, 1, 0.05)
    sockets.excuse(excused)

    await told(witness)

    assert excused.slow == 0


async def test_what_is_written_after_an_excuse_may_wait_too_long():
    sockets, reader = SlowSockets(), Reader(2)
    sockets.note(reader, 1, 0.05)
    sockets.excuse(reader)
    sockets.note(reader, 1, 0.05)

    await told(reader)


async def test_one_that_ended_is_not_told():
    sockets, gone, witness = SlowSockets(), Reader(1), Reader(1)
    for reader in (gone, witness):
        sockets.note(reader, 1, 0.05)
    sockets.forget(gone)

    await told(witness)

    assert gone.slow == 0


def test_what_always_moves_on_is_never_old():
    """A hundred bytes wait all the time, but never the same ones."""
    marks = _Marks(written=100)

    ages = []
    for second in range(60):
        ages.append(marks.oldest(float(second), 100))
        marks.written += 100

    assert max(ages) <= 1


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_the_age_is_that_of_the_oldest_byte_to_one_tick(steps):
    """Each second some bytes are written and some leave; a list of bytes knows the truth."""
    marks, bytes_waiting = _Marks(), []
    for second, (written, taken) in enumerate(steps):
        marks.written += written
        bytes_waiting += [second] * written
        del bytes_waiting[:taken]
        told = marks.oldest(float(second), len(bytes_waiting))
        assert told == (second - bytes_waiting[0] if bytes_waiting else 0.0)
