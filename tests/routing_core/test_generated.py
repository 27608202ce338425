"""Whatever comes in, and whatever a handler does: generated frames, payloads, messages and ends."""

import json
from datetime import datetime, timezone

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routing_core.envelope import (
    decode_frame,
    encode_answer,
    encode_event,
    event_frame,
    salvage_id,
)
from routing_core.errors import (
    Internal,
    InvalidFrame,
    InvalidPayload,
    NotFound,
    RateLimited,
    RoutingError,
)
from routing_core.messages import decode_payload, refuse_unstorable
from routing_core.router import Route
from tests.routing_core.samples import (
    Beat,
    Context,
    Note,
    Noted,
    Reports,
    dispatcher,
    raising,
    read,
    returning,
)
from tests.routing_core.texts import anything, texts

MOMENT = datetime(2026, 1, 2, tzinfo=timezone.utc)


def parsed(frame):
    return json.loads(frame, parse_int=float)


@settings(max_examples=200)
@given(texts)
@example('{"type":"note","payload":{"content":"\x00"}}')
@example('{"type":"note","payload":{"a":%s}}' % ("9" * 1_000))
def test_any_text_decodes_to_what_it_says_or_to_one_error(text):
    try:
        envelope = decode_frame(text, 1_000_000)
    except RoutingError as error:
        f"{error} {error.field}".encode()
        return
    value = parsed(text)
    assert (envelope.type, envelope.id) == (value["type"], value.get("id"))
    assert json.loads(envelope.payload, parse_int=float, strict=False) == value.get("payload", {})


@given(texts)
def test_the_saved_id_is_the_one_that_stands_in_the_frame(text):
    request_id = salvage_id(text)

    assert request_id is None or request_id == parsed(text)["id"]


ids = st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True)
notes = st.builds(
    Note,
    content=st.text(min_size=1, max_size=100).filter(str.strip).filter(lambda t: "\0" not in t),
    thread_id=ids,
    count=st.integers(-(2**53), 2**53),
    loud=st.booleans(),
    tags=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=5),
    scores=st.dictionaries(ids, st.floats(allow_nan=False, allow_infinity=False), max_size=5),
)


@given(notes, st.none() | ids)
def test_a_message_survives_encoding_and_decoding(message, request_id):
    frame = encode_answer(message, request_id).replace(',"id":null', "", 1)

    envelope = decode_frame(frame, 1_000_000)

    assert (envelope.type, envelope.id) == ("note", request_id)
    assert decode_payload(envelope.payload, Note) == message


@given(notes, st.integers(1, 2**53), st.none() | st.integers(0, 2**53))
def test_an_event_survives_encoding_and_decoding(message, seq, skipped_to):
    frame = json.loads(event_frame(encode_event(message, at=MOMENT, run_id="r"), seq, skipped_to))

    assert (frame["seq"], frame.get("skipped_to"), frame["run_id"]) == (seq, skipped_to, "r")
    assert decode_payload(json.dumps(frame["payload"]).encode(), Note) == message


@settings(max_examples=200)
@given(texts, st.sampled_from([Note, Beat]))
@example('{"content":"\x00"}', Note)
@example('{"content":"a","scores":{"\ud800":1}}', Note)
def test_any_payload_makes_a_storable_message_or_one_error(text, message_type):
    try:
        message = decode_payload(text.encode(errors="surrogatepass"), message_type)
    except InvalidPayload as error:
        assert error.field == "payload" or error.field.startswith("payload.")
        f"{error} {error.field}".encode()
    else:
        refuse_unstorable(msgspec.to_builtins(message), "payload")


failures = st.one_of(
    st.builds(RateLimited, st.text(max_size=20), retry_after_ms=st.none() | st.integers(0, 10**9)),
    st.builds(NotFound, anything, field=st.none() | anything),
    st.builds(InvalidFrame, received_type=st.none() | st.text(max_size=20)),
    st.sampled_from([ValueError, KeyError, RecursionError, TimeoutError, StopAsyncIteration]).map(
        lambda kind: kind("secret")
    ),
).map(raising)
results = st.one_of(
    st.builds(Noted, content=st.text()),
    st.sampled_from([{}, [], "text", 0, False, object(), Noted, Noted(content=b"\xff")]),
).map(returning)


@given(failures | results, st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True))
async def test_whatever_the_handler_does_there_is_one_answer_with_the_id(handler, request_id):
    asked = f'{{"type":"beat","id":"{request_id}"}}'

    answer = await dispatcher(Route(Beat, handler)).handle(Context(), asked)

    frame = read(answer)
    assert set(frame) == {"type", "id", "payload"}
    assert frame["id"] == request_id
    assert frame["type"] in ("noted", "error")
    assert "secret" not in answer.frame


@settings(max_examples=200)
@given(texts)
async def test_whatever_comes_in_there_is_one_answer(text):
    reports = Reports()

    answer = await dispatcher(report=reports).handle(Context(), text)

    frame = read(answer)
    assert set(frame) == {"type", "id", "payload"}
    assert frame["type"] == ("error" if reports else "noted")
    assert not isinstance(answer.error, Internal)
    answer.frame.encode()
