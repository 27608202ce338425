"""From a frame to an envelope, and from a message to a frame."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from routing_core.envelope import (
    Envelope,
    decode_frame,
    encode_answer,
    encode_event,
    encode_signal,
    error_payload,
    event_frame,
    event_type,
    salvage_id,
    timestamp,
)
from routing_core.errors import (
    FrameTooLarge,
    InvalidFrame,
    InvalidJson,
    InvalidPayload,
    NotFound,
    RateLimited,
    RoutingError,
)
from routing_core.messages import decode_payload
from tests.routing_core.samples import FRAME_BYTES, Note, Noted

NOON = datetime(2026, 1, 2, 12, 0, 0, 5_999, tzinfo=timezone.utc)
UNREADABLE = "The frame holds text or a number that cannot be read."


def decode(frame):
    return decode_frame(frame, FRAME_BYTES)


def refused(frame):
    with pytest.raises(RoutingError) as caught:
        decode(frame)
    return type(caught.value), caught.value.field, str(caught.value)


def test_a_frame_becomes_an_envelope():
    frame = '{"type":"note","id":"m1","payload":{"content": "hello"}}'

    assert decode(frame) == Envelope("note", "m1", b'{"content": "hello"}')


def test_id_and_payload_may_be_left_out():
    assert decode('{"type":"note"}') == Envelope("note", None, b"{}")


def test_an_id_has_at_most_64_characters():
    assert decode(json.dumps({"type": "note", "id": "x" * 64})).id == "x" * 64
    assert refused(json.dumps({"type": "note", "id": "x" * 65})) == (
        InvalidFrame, "id", "Expected `str` of length <= 64."
    )  # fmt: skip


def test_of_duplicate_keys_the_last_counts():
    assert decode('{"type":"note","id":"a","type":"beat","id":"b"}') == Envelope("beat", "b", b"{}")


@pytest.mark.parametrize("frame", [b'{"type":"note"}', None])
def test_a_binary_frame_is_refused(frame):
    kind, field, text = refused(frame)

    assert (kind, field) == (InvalidFrame, None)
    assert text == "Binary frames are not accepted; send JSON as a text frame."


def test_a_frame_of_the_largest_size_is_read():
    frame = '{"type":"note","payload":{"content":"é"}}'

    assert decode_frame(frame, len(frame.encode()))
    with pytest.raises(FrameTooLarge, match=f"has {len(frame) + 1} bytes as sent; at most 41 "):
        decode_frame(frame, len(frame))


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "hello",
        '{"type":"note"} x',
        "{'type':'note'}",
        "NaN",
        '{"type":Infinity}',
        "\ud800",
    ],
)
def test_what_is_not_json_is_refused(frame):
    assert refused(frame) == (InvalidJson, None, "The frame is not valid JSON.")


@pytest.mark.parametrize("frame", ["[]", '"note"', "1", "null", "9" * 500, '"\\ud800"'])
def test_json_that_is_no_object_is_refused(frame):
    assert refused(frame) == (
        InvalidFrame, None, "A frame is an object with type, id and payload."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "field", "text"),
    [
        ("{}", "type", "The frame is missing the required field `type`."),
        ('{"type":1}', "type", "Expected `str`, got `int`."),
        ('{"type":""}', "type", "Expected `str` of length >= 1."),
        ('{"type":"note","id":7}', "id", "Expected `str`, got `int`."),
        ('{"type":"note","id":""}', "id", "Expected `str` of length >= 1."),
        ('{"type":"note","id":null}', "id", "Expected `str`, got `null`."),
        (
            '{"type":"note","id":"a b"}',
            "id",
            "Expected `str` of the characters A-Z a-z 0-9 _ . : -.",
        ),
        (
            '{"type":"note","user_id":"7"}',
            "user_id",
            "The frame contains unknown field `user_id`.",
        ),
    ],
)
def test_a_frame_of_the_wrong_shape_names_the_field(frame, field, text):
    assert refused(frame) == (InvalidFrame, field, text)


def test_a_long_unknown_field_is_told_back_cut():
    assert refused(json.dumps({"type": "note", "x" * 500: 1}))[1] == "x" * 64


@pytest.mark.parametrize("payload", ["null", "[]", '"text"', "1", "true"])
def test_a_payload_that_is_no_object_is_refused(payload):
    assert refused(f'{{"type":"note","payload":{payload}}}') == (
        InvalidFrame, "payload", "payload must be an object."
    )  # fmt: skip


@pytest.mark.parametrize(
    "frame",
    ['{"type":"\\ud800"}', '{"type":"\ud800"}', '{"type":"note","id":"\\ud800"}', '{"\\ud800":1}'],
)
def test_half_a_surrogate_pair_beside_the_payload_is_refused(frame):
    assert refused(frame) == (InvalidFrame, None, UNREADABLE)


@pytest.mark.parametrize(
    ("payload", "field"),
    [('{"\\ud800":1}', "payload"), ('{"content":"\\ud800"}', "payload.content")],
)
def test_half_a_surrogate_pair_in_the_payload_is_refused(payload, field):
    frame = f'{{"type":"note","payload":{payload}}}'

    with pytest.raises(InvalidPayload, match="lone surrogate") as caught:
        decode_payload(decode(frame).payload, Note)

    assert caught.value.field == field


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("frame", ["%s", '{"type":"note","payload":%s'])
def test_a_frame_nested_too_deep_is_refused(frame, opening):
    with pytest.raises(InvalidFrame, match="nested too deep"):
        decode_frame(frame % (opening * 100_000), 1_000_000)


@pytest.mark.parametrize("depth", [900, 1_100, 5_000, 50_000])
def test_a_deep_payload_beside_text_that_cannot_be_read_is_refused(depth):
    payload = "[" * depth + "]" * depth

    with pytest.raises(InvalidFrame):
        decode_frame(f'{{"type":"\\ud800","payload":{payload}}}', 1_000_000)


@pytest.mark.parametrize(
    ("frame", "request_id"),
    [
        ('{"id":"m1","unknown":1}', "m1"),
        ('{"id":"m1","type":"\\ud800"}', "m1"),
        ('{"id":7}', None),
        ('{"id":"a b"}', None),
        ('["m1"]', None),
        ('{"id":"m1"', None),
        ("[" * 100_000, None),
        (b'{"id":"m1"}', None),
        (None, None),
    ],
)
def test_the_id_of_a_refused_frame_is_saved_where_it_is_one(frame, request_id):
    assert salvage_id(frame) == request_id


def test_an_answer_has_the_id_of_its_message():
    assert json.loads(encode_answer(Noted(content="a"), "m1")) == {
        "type": "noted", "id": "m1", "payload": {"content": "a"}
    }  # fmt: skip


def test_an_answer_to_a_message_without_id_says_so():
    assert encode_answer(Noted(), None) == '{"type":"noted","id":null,"payload":{"content":""}}'


def test_a_signal_has_type_and_payload_only():
    assert encode_signal(Noted()) == '{"type":"noted","payload":{"content":""}}'


def test_an_event_has_its_position_before_the_rest():
    body = encode_event(Noted(content="é"), at=NOON, thread_id="t1", run_id="r1")

    assert (
        event_frame(body, 7)
        == (
            '{"seq":7,"type":"noted","ts":"2026-01-02T12:00:00.005Z","thread_id":"t1","run_id":"r1",'
            '"payload":{"content":"é"}}'
        ).encode()
    )


def test_the_type_of_an_event_is_read_without_decoding_it():
    assert event_type(encode_event(Noted(content='"}'), at=NOON)) == "noted"


def test_an_event_after_filtered_ones_says_what_was_skipped():
    frame = json.loads(event_frame(encode_event(Noted(), at=NOON), 7, skipped_to=0))

    assert frame == {
        "seq": 7,
        "skipped_to": 0,
        "type": "noted",
        "ts": "2026-01-02T12:00:00.005Z",
        "payload": {"content": ""},
    }


def test_a_time_is_written_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=3, minutes=30))

    assert timestamp(datetime(2026, 1, 1, 1, 0, 0, 999_999, tzinfo=east)) == (
        "2025-12-31T21:30:00.999Z"
    )


def test_an_error_tells_only_what_it_knows():
    assert json.loads(encode_answer(error_payload(NotFound(), "t9"), "m1")) == {
        "type": "error",
        "id": "m1",
        "payload": {
            "code": "not_found",
            "message": "There is no such thing.",
            "retryable": False,
            "trace_id": "t9",
        },
    }


def test_an_error_tells_all_it_knows():
    error = RateLimited("Slower.", field="payload.x", received_type="", retry_after_ms=0)

    assert json.loads(encode_answer(error_payload(error, "t9"), None))["payload"] == {
        "code": "rate_limited",
        "message": "Slower.",
        "retryable": True,
        "trace_id": "t9",
        "field": "payload.x",
        "received_type": "",
        "retry_after_ms": 0,
    }


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":5,"type":"ping"}',
        '{"type":"ping","id":"not good","id":"a"}',
        '{"type":"ping","payload":null,"payload":{}}',
    ],
)
def test_of_doubled_keys_the_last_counts(frame):
    """Row 21: as in `JSON.parse`, also where the first could not stand."""
    assert decode_frame(frame, FRAME_BYTES).type == "ping"


def test_of_doubled_keys_in_a_payload_the_last_counts():
    assert decode_payload(b'{"content":5,"content":"hello"}', Note).content == "hello"


def test_a_long_unknown_name_is_not_sent_back_whole():
    with pytest.raises(InvalidPayload) as raised:
        decode_payload(b'{"content":"a","%s":1}' % (b"x" * 60_000), Note)
    assert len(str(raised.value)) + len(raised.value.field or "") < 1_000
