"""Which events may leave together with what follows them."""

from datetime import datetime, timezone

import pytest

from chatrouting.routing import EVENTS
from chatrouting.stream.patience import may_wait
from routing_core.envelope import encode_event
from routing_core.messages import Message

NOW = datetime.now(timezone.utc)


def test_of_all_events_pieces_of_a_text_alone_may_wait():
    bodies = {event.type: b'{"type":"' + event.type.encode() + b'","ts":' for event in EVENTS}

    assert [name for name, body in bodies.items() if may_wait(body)] == ["agent_delta"]


@pytest.mark.parametrize("name", ["agent_delta_of_another_kind", "agent_delt"])
def test_a_type_that_begins_alike_may_not(name):
    alike = type("Alike", (Message,), {"type": name})

    assert not may_wait(encode_event(alike(), at=NOW))
