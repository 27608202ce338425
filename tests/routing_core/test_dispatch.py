"""From frame to answer: one frame out at most, whatever came in and whatever the handler does."""

import asyncio

import pytest

from routing_core.dispatch import Request
from routing_core.envelope import Envelope
from routing_core.errors import (
    Busy,
    ErrorCode,
    NotFound,
    ProtocolError,
    RateLimited,
    RoutingError,
)
from routing_core.router import Route, Router
from tests.routing_core.samples import (
    FRAME,
    FRAME_BYTES,
    INTERNAL,
    Context,
    Note,
    Noted,
    Reports,
    dispatcher,
    error_frame,
    noted,
    raising,
    read,
    returning,
)


async def handled(handler, frame=FRAME, **options):
    return await dispatcher(Route(Note, handler), **options).handle(Context(), frame)


async def refused(frame):
    answer = await dispatcher().handle(Context(), frame)
    return read(answer), answer.protocol_error


async def test_what_a_handler_returns_is_the_reply():
    async def handler(ctx, message):
        return Noted(content=message.content)

    answer = await handled(handler)

    assert answer.frame == '{"type":"noted","id":"m1","payload":{"content":"hello"}}'
    assert (answer.error, answer.protocol_error) == (None, False)


async def test_a_handler_that_returns_none_is_not_answered():
    assert (await handled(returning(None))).frame is None


async def test_a_message_without_id_is_answered_with_none():
    answer = await dispatcher().handle(Context(), '{"type":"beat"}')

    assert answer.frame == '{"type":"noted","id":null,"payload":{"content":""}}'


async def test_an_alias_counts_as_its_message():
    answer = await dispatcher().handle(Context(), '{"type":"memo","payload":{"content":"a"}}')

    assert answer.incoming.route.message is Note


async def test_the_handler_is_told_what_it_answers():
    seen = []

    async def handler(ctx, message):
        seen.append(ctx)

    await handled(handler, '{"type":"memo","id":"m1","payload":{"content":"a"}}')

    request = Request("note", "m1", b'{"content":"a"}', "trace1", Route(Note, handler).name)
    assert seen == [Context("ann", request)]


async def test_middleware_stands_before_the_handler():
    async def middleware(ctx, message, call_next):
        reply = await call_next(ctx, message)
        return Noted(content=f"{ctx.request.id} {reply.content}")

    answer = await handled(returning(Noted(content="x")), middleware=[middleware])

    assert read(answer)["payload"] == {"content": "m1 x"}


async def test_a_refusal_reaches_the_sender_as_it_was_meant():
    answer = await handled(raising(RateLimited(retry_after_ms=500)))

    assert read(answer) == {
        "type": "error",
        "id": "m1",
        "payload": {
            "code": "rate_limited",
            "message": "Too many messages.",
            "retryable": True,
            "trace_id": "trace1",
            "retry_after_ms": 500,
        },
    }
    assert (answer.error.code, answer.protocol_error) == (ErrorCode.RATE_LIMITED, False)


async def test_any_other_error_is_told_without_its_text():
    answer = await handled(raising(ValueError("secret")))

    assert read(answer) == INTERNAL
    assert (answer.error.code, answer.protocol_error) == (ErrorCode.INTERNAL, False)


@pytest.mark.parametrize("value", [{}, "noted", 7, Noted, object()])
async def test_a_handler_that_returns_no_message_is_a_fault_of_the_server(value):
    reports = Reports()

    assert read(await handled(returning(value), report=reports)) == INTERNAL
    ((error, _, _),) = reports
    assert type(error) is TypeError


async def test_a_wrong_return_names_the_handler_and_the_legal_forms():
    reports = Reports()

    async def handler(ctx, message):
        return {}

    await handled(handler, report=reports)

    assert str(reports[0][0]) == (
        f"handler {handler.__module__}.{handler.__qualname__} returned dict; "
        "return a Message (the reply) or None (no reply)"
    )


async def test_a_reply_that_cannot_be_written_is_a_fault_of_the_server():
    assert read(await handled(returning(Noted(content=object())))) == INTERNAL


async def test_an_error_whose_text_cannot_be_written_is_a_fault_of_the_server():
    reports = Reports()

    assert read(await handled(raising(NotFound("\ud800")), report=reports)) == INTERNAL
    assert [type(error) for error, _, _ in reports] == [NotFound, UnicodeEncodeError]


@pytest.mark.parametrize("kind", [RoutingError, ProtocolError])
async def test_an_error_without_a_code_is_a_fault_of_the_server(kind):
    assert read(await handled(raising(kind("x")))) == INTERNAL


async def test_a_cancelled_handler_stays_cancelled():
    with pytest.raises(asyncio.CancelledError):
        await handled(raising(asyncio.CancelledError()))


async def test_every_error_is_reported_with_its_request():
    reports, error = Reports(), Busy()

    await handled(raising(error), report=reports)

    assert reports == [(error, "trace1", Envelope("note", "m1", b'{"content":"hello"}'))]


async def test_a_frame_that_was_not_understood_is_reported_without_request():
    reports = Reports()

    await handled(returning(None), "{", report=reports)

    ((error, trace_id, envelope),) = reports
    assert (error.code, trace_id, envelope) == ("invalid_json", "trace1", None)


async def test_a_success_is_not_reported():
    reports = Reports()

    await handled(returning(Noted()), report=reports)

    assert reports == []


async def test_what_was_reported_before_is_refused_under_its_trace():
    reports, error = Reports(), Busy()
    served = dispatcher(report=reports)

    answer = served.refuse_again(served.read(Context(), FRAME), error, "trace0")

    assert (answer.error, read(answer)["payload"]["trace_id"], reports) == (error, "trace0", [])


async def test_every_frame_has_a_trace_of_its_own():
    served = dispatcher()

    answers = [await served.handle(Context(), "{") for _ in range(2)]

    assert [read(answer)["payload"]["trace_id"] for answer in answers] == ["trace1", "trace2"]


async def test_what_is_not_json_is_an_error_of_the_protocol():
    assert await refused("{") == (
        error_frame(None, "invalid_json", "The frame is not valid JSON."), True
    )  # fmt: skip


async def test_a_refused_frame_is_answered_with_its_id():
    frame, _ = await refused('{"type":"note","id":"m1","user_id":"7"}')

    assert frame == error_frame(
        "m1", "invalid_frame", "The frame contains unknown field `user_id`.", field="user_id"
    )


async def test_a_frame_too_large_is_an_error_of_the_protocol():
    frame, protocol_error = await refused('{"id":"m1"' + " " * FRAME_BYTES + "}")

    assert (frame["id"], frame["payload"]["code"]) == ("m1", "frame_too_large")
    assert str(FRAME_BYTES) in frame["payload"]["message"]
    assert protocol_error


async def test_an_unknown_type_is_told_back():
    assert await refused('{"type":"nothing","id":"m1"}') == (
        error_frame("m1", "unknown_type", "No message has this type.", received_type="nothing"),
        True,
    )


async def test_a_type_of_the_server_is_told_back():
    assert await refused('{"type":"noted","id":"m1"}') == (
        error_frame(
            "m1", "type_not_allowed", "Only the server sends this type.", received_type="noted"
        ),
        True,
    )


async def test_a_wrong_payload_is_no_error_of_the_protocol():
    assert await refused('{"type":"note","id":"m1","payload":{"content":""}}') == (
        error_frame(
            "m1", "invalid_payload", "Expected `str` of length >= 1.", field="payload.content"
        ),
        False,
    )


async def test_a_missing_id_is_refused_where_it_is_the_key():
    assert await refused('{"type":"keep"}') == (
        error_frame(None, "invalid_frame", "keep needs an id.", field="id"), True
    )  # fmt: skip


async def test_a_given_id_is_taken_where_it_is_the_key():
    answer = await dispatcher().handle(Context(), '{"type":"keep","id":"m1"}')

    assert read(answer) == {"type": "noted", "id": "m1", "payload": {"content": ""}}


async def test_a_condition_that_fails_is_a_fault_of_the_server():
    route = Route(Note, noted, condition=lambda ctx: ctx.nothing)

    assert read(await dispatcher(route).handle(Context(), FRAME)) == INTERNAL


async def test_the_table_of_the_moment_serves_and_a_message_at_work_keeps_its_handler():
    """Row 31: the next message sees the change."""
    tables = [Router([Route(Note, returning(Noted(content="old")))])]
    served = dispatcher(current=lambda: tables[-1])
    held = served.read(Context(), FRAME)
    tables.append(tables[0].with_route(Route(Note, returning(Noted(content="new")), priority=1)))

    fresh = await served.handle(Context(), FRAME)
    assert read(fresh)["payload"]["content"] == "new"
    assert read(await served.serve(Context(), held))["payload"]["content"] == "old"


async def test_middleware_is_put_around_a_route_once_a_table():
    served = dispatcher(middleware=[passing])

    calls = [served.read(Context(), frame).call for frame in (FRAME, FRAME, '{"type":"beat"}')]

    assert calls[0] is calls[1]
    assert calls[0] is not calls[2]


async def passing(ctx, message, call_next):
    return await call_next(ctx, message)
