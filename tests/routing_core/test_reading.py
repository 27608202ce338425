"""A frame is read first and served later: what is known of it between the two."""

import pytest

from routing_core.dispatch import Incoming
from routing_core.envelope import Envelope
from routing_core.errors import Busy, ErrorCode, Internal, UnknownType
from routing_core.router import Route
from tests.routing_core.samples import (
    FRAME,
    INTERNAL,
    Context,
    Note,
    Reports,
    dispatcher,
    raising,
    read,
)


def test_reading_does_nothing_yet():
    route = Route(Note, raising(AssertionError("called")))

    incoming = dispatcher(route).read(Context(), FRAME)

    assert (incoming.trace_id, incoming.id, incoming.route) == ("trace1", "m1", route)
    assert incoming.envelope == Envelope("note", "m1", b'{"content":"hello"}')


def test_reading_what_is_refused_keeps_the_error():
    incoming = dispatcher().read(Context(), '{"type":"nothing","id":"m1"}')

    assert (incoming.id, incoming.route, type(incoming.error)) == ("m1", None, UnknownType)


@pytest.mark.parametrize(
    ("frame", "immediate"), [('{"type":"beat"}', True), (FRAME, False), ("{", False)]
)
def test_only_an_immediate_message_overtakes(frame, immediate):
    assert dispatcher().read(Context(), frame).immediate is immediate


async def test_a_message_that_was_read_can_be_refused():
    reports, error = Reports(), Busy("Later.")
    served = dispatcher(report=reports)

    answer = served.refuse(served.read(Context(), FRAME), error)

    assert read(answer)["payload"]["message"] == "Later."
    assert answer.error.code == ErrorCode.BUSY
    assert reports == [(error, "trace1", Envelope("note", "m1", b'{"content":"hello"}'))]


async def test_what_was_not_read_is_a_fault_of_the_server():
    reports = Reports()

    answer = await dispatcher(report=reports).serve(Context(), Incoming("trace1", "m1"))

    assert read(answer) == INTERNAL
    assert [type(error) for error, _, _ in reports] == [Internal]
