"""What is wrong is found: an oracle that sees nothing would prove nothing."""

import pytest

from tests.faults.ledger import Ledger, Segment


def event(seq, text="x"):
    return {"type": "agent_delta", "seq": seq, "payload": {"text": text}}


@pytest.fixture
def ledger():
    return Ledger("1", "canarymine")


def sent(ledger, *seqs, epoch="e", start=0):
    segment = Segment(epoch, start)
    for seq in seqs:
        ledger.take(segment, event(seq))
    return segment


def test_everything_once_and_in_order_is_right(ledger):
    segment = sent(ledger, 1, 2, 3)

    ledger.close(segment, "e", [event(1), event(2), event(3)])

    assert (ledger.wrong.total(), ledger.delivered, segment.seq) == (0, 3, 3)


def test_what_comes_after_a_gap_says_what_was_lost(ledger):
    sent(ledger, 1, 3)

    assert dict(ledger.wrong) == {"lost": 1}


@pytest.mark.parametrize("seqs", [(1, 2, 2), (1, 2, 1)])
def test_what_comes_twice_is_doubled(ledger, seqs):
    sent(ledger, *seqs)

    assert dict(ledger.wrong) == {"doubled": 1}


def test_a_lost_tail_is_found_once_all_is_quiet(ledger):
    ledger.close(sent(ledger, 1, 2), "e", [event(1), event(2), event(3), event(4)])

    assert dict(ledger.wrong) == {"lost": 2}


def test_a_device_left_in_another_epoch_is_found(ledger):
    ledger.close(sent(ledger, 1, epoch="old"), "new", [event(1)])

    assert dict(ledger.wrong) == {"lost": 1}


def test_what_was_before_its_start_is_not_asked_of_a_device(ledger):
    ledger.close(sent(ledger, 3, start=2), "e", [event(1), event(2), event(3)])

    assert ledger.wrong.total() == 0


def test_two_devices_that_were_told_different_things_are_found(ledger):
    sent(ledger, 1)
    ledger.take(Segment("e", 0), event(1, "another"))

    assert dict(ledger.wrong) == {"crossed": 1}


def test_a_word_of_another_user_is_found(ledger):
    canaries = frozenset({"canarymine", "canarytheirs"})
    ledger.look("canarymine says", canaries)
    assert ledger.wrong.total() == 0

    ledger.look('{"text": "canarytheirs says"}', canaries)

    assert dict(ledger.wrong) == {"crossed": 1}
