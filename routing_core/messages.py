"""Typed messages: one class a message. Schema, validation and the reference page come from it."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from routing_core.errors import ErrorCode, InvalidPayload

Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+\Z")]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A payload, in or out. `type` is its name on the wire, `aliases` are taken inbound only.

    `needs_id`: the envelope's `id` is required and is the idempotency key. `immediate`: answered as soon as it
    is read, before messages that came earlier and are still at work; its handler must not wait.
    """

    type: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    needs_id: ClassVar[bool] = False
    immediate: ClassVar[bool] = False


class ErrorPayload(Message, frozen=True):
    """Answers a message that has no reply."""

    type: ClassVar[str] = "error"

    code: ErrorCode
    message: str
    retryable: bool
    trace_id: str
    retry_after_ms: int | UnsetType = UNSET
    field: str | UnsetType = UNSET
    received_type: str | UnsetType = UNSET


M = TypeVar("M", bound=Message)

SHOWN_FIELD_CHARACTERS = 200
SHOWN_TEXT_CHARACTERS = 300

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"(?:unknown|required) field `(?P<name>[^`]*)`")
_RULES = (
    (r"matching regex '\\\\S'", "that is not blank"),
    (r"matching regex '\^\[A-Za-z0-9_\.:-\]\+\\\\Z'", "of the characters A-Z a-z 0-9 _ . : -"),
    (r"Object missing", "The payload is missing the"),
    (r"Object", "The payload"),
    (r"`array`", "a list"),
)


def decode_payload(payload: bytes, message_type: type[M]) -> M:
    """Make the typed message of a payload.

    Raises `InvalidPayload` that names the field (`payload.content`) and the rule it broke.
    """
    try:
        message = _decoded(payload, message_type)
        if b"\\u" in payload:
            refuse_unstorable(msgspec.to_builtins(message), "payload")
    except RecursionError:
        raise InvalidPayload("The payload is nested too deep.", field="payload") from None
    return message


def _decoded(payload: bytes, message_type: type[M]) -> M:
    try:
        return msgspec.json.decode(payload, type=message_type)
    except msgspec.ValidationError as error:
        return _last_of_doubled(payload, message_type, error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _unreadable(payload) from None


def checked(message: M) -> M:
    """A message that was made here, held to the rules of one that came: bounds, patterns.

    Raises `InvalidPayload` as `decode_payload` does.
    """
    return decode_payload(msgspec.json.encode(message), type(message))


def _last_of_doubled(payload: bytes, message_type: type[M], error: msgspec.ValidationError) -> M:
    """The decoder also looks at the first of doubled keys; the last counts, as in `JSON.parse`.

    Raises `InvalidPayload` where there is another reason for it.
    """
    try:
        return msgspec.json.decode(json.dumps(json.loads(payload)), type=message_type)
    except (ValueError, RecursionError):
        raise InvalidPayload(rule_broken(error), field=broken_field(error)) from None


def _unreadable(payload: bytes) -> InvalidPayload:
    """Why the decoder gave up on text that the envelope's decoder passed over: escapes, UTF-8."""
    try:
        refuse_unstorable(json.loads(payload), "payload")
    except InvalidPayload as error:
        return error
    except (ValueError, RecursionError):
        pass
    return InvalidPayload("The payload is not valid JSON.", field="payload")


def refuse_unstorable(value: Any, field: str) -> None:
    """Refuse text that no database keeps: NUL, and halves of surrogate pairs."""
    for path, text in _texts(value, field):
        if "\x00" in text:
            raise InvalidPayload("Text may not hold the character NUL.", field=path)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidPayload("Text may not hold a lone surrogate.", field=path)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key, path)
            yield from _texts(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")


def rule_broken(error: msgspec.ValidationError) -> str:
    """The sentence for a person: what was expected, without the decoder's own notation."""
    text = _AT.sub("", str(error))
    for pattern, words in _RULES:
        text = re.sub(pattern, words, text)
    return f"{text[:SHOWN_TEXT_CHARACTERS]}."


def broken_field(error: msgspec.ValidationError, under: str = "payload") -> str:
    """The path of the field that breaks a rule, below that of what was checked."""
    at, named = _AT.search(str(error)), _NAMED.search(str(error))
    parts = [under, at["path"] if at else "", named["name"] if named else ""]
    return ".".join(part for part in parts if part)[:SHOWN_FIELD_CHARACTERS]
