"""What a process counts by itself, as `/metrics` shows it."""

from prometheus_client import REGISTRY

from chatrouting import counters


def test_a_tally_is_shown_as_a_counter():
    before = REGISTRY.get_sample_value("chatrouting_events_delivered_total")

    counters.events_delivered.inc(3)

    assert REGISTRY.get_sample_value("chatrouting_events_delivered_total") == before + 3
