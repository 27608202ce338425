"""The proof of delivery sees what is wrong: each fault is made, and counted."""

import pytest

from chatrouting.testing.device import Device, Shown, Site
from chatrouting.testing.people import Person
from chatrouting.testing.verification import Stream, count

ALICE = Person("1", "alice", "key")
SITE = Site("ws://site/ws/chat/", "http://site")


def reported(*numbers, texts=(), of=3):
    """What is reported of one device that was shown these events of three, and these texts besides."""
    stream, device = Stream(ALICE, mark="mark"), Device(ALICE, SITE)
    stream.sent = {f"mark {number}": 0.0 for number in range(of)}
    device.shown = [Shown(text, 0.005, False) for text in (*(f"mark {n}" for n in numbers), *texts)]
    return count([stream], {"mark": [device]})


def test_everything_once_and_in_order_is_good():
    report = reported(0, 1, 2)

    assert report.good
    assert (report.published, report.delivered, report.latency_ms(0.99)) == (3, 3, 5.0)


@pytest.mark.parametrize(
    ("numbers", "texts", "fault"),
    [
        ((0, 2), (), "lost"),
        ((0, 1, 1, 2), (), "doubled"),
        ((0, 2, 1), (), "disordered"),
        ((0, 1, 2), ("other 0",), "crossed"),
    ],
)
def test_each_fault_is_counted_under_its_name(numbers, texts, fault):
    report = reported(*numbers, texts=texts)

    counts = {name: getattr(report, name) for name in ("lost", "doubled", "disordered", "crossed")}
    assert counts == {**dict.fromkeys(counts, 0), fault: 1}
    assert not report.good


def test_two_devices_of_a_person_must_both_have_everything():
    stream, whole, short = Stream(ALICE, mark="mark"), Device(ALICE, SITE), Device(ALICE, SITE)
    stream.sent = {"mark 0": 0.0}
    whole.shown = [Shown("mark 0", 0.0, True)]

    report = count([stream], {"mark": [whole, short]})

    assert (report.delivered, report.recovered, report.lost) == (1, 1, 1)
