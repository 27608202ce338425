"""Observers are told of every message once, whatever became of it, and harm nobody."""

import asyncio

import pytest

from routing_core.errors import InvalidPayload, NotFound, UnknownType
from routing_core.observing import Observation, Outcome
from routing_core.router import Route
from tests.routing_core.samples import (
    FRAME,
    Context,
    Note,
    Noted,
    Reports,
    dispatcher,
    noted,
    raising,
    returning,
)


async def observed(handler=noted, frame=FRAME, *, sent=True, **options):
    """What an observer is told of this one frame."""
    seen = []
    served = dispatcher(Route(Note, handler), observers=[seen.append], **options)
    served.conclude(await served.handle(Context(), frame), lambda text: sent)
    (observation,) = seen
    return observation


async def test_a_success_is_told_with_type_route_outcome_and_duration():
    """Row 29: observers see a message too."""
    assert await observed() == Observation(
        type="note",
        route=Route(Note, noted),
        outcome=Outcome.ANSWERED,
        error=None,
        seconds=1,
        trace_id="trace1",
    )


async def test_an_alias_is_told_as_its_message():
    assert (await observed(frame='{"type":"memo","payload":{"content":"a"}}')).type == "note"


async def test_a_refusal_is_told_with_what_the_client_was_told():
    seen = await observed(raising(NotFound()))

    assert (seen.type, seen.outcome, type(seen.error)) == ("note", Outcome.REFUSED, NotFound)


async def test_a_frame_without_a_route_is_told_too():
    seen = await observed(frame='{"type":"nothing"}')

    assert (seen.type, seen.route, type(seen.error)) == (None, None, UnknownType)


async def test_a_message_that_gets_no_answer_is_told_too():
    assert (await observed(returning(None))).outcome is Outcome.SILENT


@pytest.mark.parametrize("handler", [noted, raising(NotFound())])
async def test_an_answer_that_could_not_be_sent_is_no_success(handler):
    """Row 38: a reply that could not be sent is reported as failure, never as success."""
    assert (await observed(handler, sent=False)).outcome is Outcome.UNSENT


async def test_a_handler_that_is_cancelled_is_told_of_once():
    seen = []
    served = dispatcher(Route(Note, raising(asyncio.CancelledError())), observers=[seen.append])
    with pytest.raises(asyncio.CancelledError):
        await served.handle(Context(), FRAME)

    assert [each.outcome for each in seen] == [Outcome.ABANDONED]


async def test_a_message_that_is_never_served_is_told_of_once():
    seen = []
    served = dispatcher(observers=[seen.append])
    served.abandon(served.read(Context(), FRAME))

    assert [(each.type, each.outcome) for each in seen] == [("note", Outcome.ABANDONED)]


async def test_an_observer_that_fails_keeps_no_other_from_being_told():
    reports, seen = Reports(), []

    def failing(observation):
        raise KeyError("broken")

    served = dispatcher(report=reports, observers=[failing, seen.append])
    answer = await served.handle(Context(), FRAME)
    served.conclude(answer, lambda text: True)

    assert answer.error is None
    assert len(seen) == 1
    assert [type(error) for error, _, _ in reports] == [KeyError]


@pytest.mark.parametrize("field", ["user_id", "userId", "username", "session_key", "Acting-User"])
@pytest.mark.parametrize(
    "frame",
    [
        '{{"type":"note","payload":{{"content":"a","{field}":"7"}}}}',
        '{{"type":"note","payload":{{"content":"","{field}":"7"}}}}',
        '{{"type":"note","{field}":"7","payload":{{"content":"a"}}}}',
        '{{"type":"","{field}":"7"}}',
    ],
)
async def test_a_field_that_names_a_user_is_told_of(field, frame):
    """Row 22: whatever else is wrong with the message."""
    assert (await observed(frame=frame.format(field=field))).forged


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        '{"type":"note","payload":{"content":"user_id"}}',
        '{"type":"note","payload":{"content":"a","colour":"red"}}',
        '{"type":"note","colour":"red"}',
        '{"type":"nothing","payload":{"user_id":"7"}}',
        "[",
        '["user_id"]',
        b"\xff",
        '{"type":"note","payload":["user_id"]}',
    ],
)
async def test_what_names_no_user_is_not(frame):
    assert not (await observed(frame=frame)).forged


async def test_a_message_that_has_such_a_field_may_be_wrong_in_it():
    class Asking(Note, frozen=True, kw_only=True):
        username: str

    served = dispatcher(Route(Asking, returning(Noted())))
    answer = await served.handle(Context(), '{"type":"note","payload":{"username":7}}')

    assert type(answer.error) is InvalidPayload
    assert not answer.forged
