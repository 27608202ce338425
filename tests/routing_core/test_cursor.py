"""A socket's place in its user's stream, alone and against a model of log and doorbell."""

from hypothesis import given
from hypothesis import strategies as st

from routing_core.cursor import Cursor, Step


def test_the_next_event_moves_the_cursor():
    cursor = Cursor("e", 4)

    assert cursor.advance("e", 5) is Step.NEXT
    assert cursor == Cursor("e", 5)


def test_an_event_seen_before_is_a_duplicate():
    cursor = Cursor("e", 4)

    assert cursor.advance("e", 4) is Step.DUPLICATE
    assert cursor.advance("e", 1) is Step.DUPLICATE
    assert cursor == Cursor("e", 4)


def test_a_missing_event_is_a_gap():
    cursor = Cursor("e", 4)

    assert cursor.advance("e", 6) is Step.GAP
    assert cursor == Cursor("e", 4)


def test_another_stream_is_lost_whatever_its_position():
    cursor = Cursor("e", 4)

    assert [cursor.advance("f", seq) for seq in (1, 4, 5, 6)] == [Step.LOST] * 4
    assert cursor == Cursor("e", 4)


# What may happen to a socket: an event is appended and its doorbell rings or is lost, a doorbell
# rings late or again, the log is read (a replay), an event of another epoch comes.
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.booleans()),
        st.tuples(st.just("ring"), st.integers(0, 200)),
        st.tuples(st.just("replay"), st.none()),
        st.tuples(st.just("stranger"), st.integers(0, 200)),
    ),
    max_size=120,
)


class Socket:
    """A socket that sends what its cursor lets through, and reads the log where it has a gap."""

    def __init__(self, start):
        self.cursor = Cursor("e", start)
        self.top = start
        self.sent = []

    def append(self, rings):
        self.top += 1
        if rings:
            self.ring(self.top)

    def ring(self, seq):
        if seq <= self.top and self.take(seq) is Step.GAP:
            self.replay(None)

    def replay(self, _):
        for seq in range(self.cursor.seq + 1, self.top + 1):
            self.take(seq)

    def stranger(self, seq):
        assert self.cursor.advance("another", seq) is Step.LOST

    def take(self, seq):
        step = self.cursor.advance("e", seq)
        if step is Step.NEXT:
            self.sent.append(seq)
        return step


@given(start=st.integers(0, 50), story=happenings)
def test_no_event_is_sent_twice_or_out_of_order(start, story):
    socket = Socket(start)

    for name, value in story:
        getattr(socket, name)(value)
        assert socket.sent == list(range(start + 1, socket.cursor.seq + 1))

    socket.replay(None)
    assert socket.sent == list(range(start + 1, socket.top + 1))


@given(start=st.integers(0, 20), seqs=st.lists(st.integers(0, 40)))
def test_any_order_of_arrival_sends_contiguous_positions(start, seqs):
    cursor = Cursor("e", start)

    sent = [seq for seq in seqs if cursor.advance("e", seq) is Step.NEXT]

    assert sent == list(range(start + 1, start + 1 + len(sent)))
