"""From a payload to a typed message: what is refused names the field and the rule."""

import msgspec
import pytest

from routing_core.errors import InvalidPayload
from routing_core.messages import ErrorPayload, checked, decode_payload, refuse_unstorable
from tests.routing_core.samples import Note


def refused(payload, message_type=Note):
    with pytest.raises(InvalidPayload) as caught:
        decode_payload(payload, message_type)
    return caught.value.field, str(caught.value)


def test_a_payload_becomes_a_message():
    payload = b'{"content":"hello","thread_id":"t1","count":3,"loud":true,"tags":["a"],"scores":{"b":1.5}}'

    assert decode_payload(payload, Note) == Note(
        content="hello", thread_id="t1", count=3, loud=True, tags=["a"], scores={"b": 1.5}
    )


def test_a_field_left_out_has_its_default():
    assert decode_payload(b'{"content":"hello"}', Note) == Note(content="hello")


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        (b"{}", "payload.content", "The payload is missing the required field `content`."),
        (b'{"content":1}', "payload.content", "Expected `str`, got `int`."),
        (b'{"content":""}', "payload.content", "Expected `str` of length >= 1."),
        (b'{"content":" \\n"}', "payload.content", "Expected `str` that is not blank."),
        (
            b'{"content":"%s"}' % (b"x" * 101),
            "payload.content",
            "Expected `str` of length <= 100.",
        ),
        (
            b'{"content":"a","thread_id":"a b"}',
            "payload.thread_id",
            "Expected `str` of the characters A-Z a-z 0-9 _ . : -.",
        ),
        (
            b'{"content":"a","thread_id":"a\\n"}',
            "payload.thread_id",
            "Expected `str` of the characters A-Z a-z 0-9 _ . : -.",
        ),
        (b'{"content":"a","tags":{}}', "payload.tags", "Expected a list, got `object`."),
        (b'{"content":"a","tags":["a",1]}', "payload.tags[1]", "Expected `str`, got `int`."),
        (
            b'{"content":"a","scores":{"x":"y"}}',
            "payload.scores[...]",
            "Expected `float`, got `str`.",
        ),
        (
            b'{"content":"a","user_id":"7"}',
            "payload.user_id",
            "The payload contains unknown field `user_id`.",
        ),
        (b"[]", "payload", "Expected `object`, got a list."),
    ],
)
def test_a_broken_rule_is_named_with_its_field(payload, field, text):
    assert refused(payload) == (field, text)


def test_a_number_out_of_bounds_is_refused():
    field, text = refused(b'{"content":"a","count":9007199254740993}')

    assert field == "payload.count"
    assert "9007199254740992" in text


def test_a_number_of_many_digits_is_refused():
    field, _ = refused(b'{"content":"a","count":%s}' % (b"9" * 400))

    assert field == "payload.count"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"content":"a\\u0000"}', "payload.content"),
        (b'{"content":"a","tags":["a","\\u0000"]}', "payload.tags[1]"),
        (b'{"content":"a","scores":{"\\u0000":1}}', "payload.scores"),
    ],
)
def test_text_with_nul_is_refused(payload, field):
    assert refused(payload) == (field, "Text may not hold the character NUL.")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"content":"a\\ud800"}', "payload.content"),
        (b'{"content":"a\\udc00\\ud800"}', "payload.content"),
        (b'{"content":"a","tags":["a","\\udfff"]}', "payload.tags[1]"),
        (b'{"\\ud800":1}', "payload"),
        ('{"content":"\ud800"}'.encode(errors="surrogatepass"), "payload.content"),
    ],
)
def test_text_with_a_lone_surrogate_is_refused(payload, field):
    assert refused(payload) == (field, "Text may not hold a lone surrogate.")


def test_an_escaped_pair_is_one_character():
    assert decode_payload(b'{"content":"\\ud83d\\ude00"}', Note) == Note(content="😀")


def test_characters_are_counted_as_code_points():
    assert decode_payload(b'{"content":"%s"}' % ("😀" * 100).encode(), Note)


@pytest.mark.parametrize("payload", [b"{", b'{"content":"\xff"}', b'{"content":\xff}'])
def test_a_payload_that_cannot_be_read_is_refused(payload):
    assert refused(payload) == ("payload", "The payload is not valid JSON.")


def test_a_payload_nested_too_deep_is_refused():
    class Anything(Note, frozen=True):
        value: list = msgspec.field(default_factory=list)

    payload = b'{"content":"a","value":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

    assert refused(payload, Anything) == ("payload", "The payload is nested too deep.")


def test_a_name_in_a_list_of_objects_is_found():
    with pytest.raises(InvalidPayload) as caught:
        refuse_unstorable({"a": [{"b": "\x00"}]}, "payload")

    assert caught.value.field == "payload.a[0].b"


def test_what_is_no_text_is_storable():
    refuse_unstorable({"a": [1, None, True, 1.5, "text", {}]}, "payload")


def test_a_message_cannot_be_changed():
    with pytest.raises(AttributeError):
        Note(content="a").content = "b"


def test_an_error_payload_leaves_out_what_it_does_not_know():
    payload = ErrorPayload(code="internal", message="m", retryable=True, trace_id="t")

    assert msgspec.json.encode(payload) == (
        b'{"code":"internal","message":"m","retryable":true,"trace_id":"t"}'
    )


def test_a_message_made_here_is_held_to_the_same_rules():
    assert checked(Note(content="hello")) == Note(content="hello")

    with pytest.raises(InvalidPayload) as caught:
        checked(Note(content=" "))
    assert caught.value.field == "payload.content"


def test_the_last_of_doubled_keys_is_held_to_the_rules_of_text():
    """Row 21: NUL, also where an earlier value of the same name is the one that is wrong."""
    assert refused(b'{"content":null,"content":"\\u0000"}') == (
        "payload.content",
        "Text may not hold the character NUL.",
    )
