"""Frames: text in, envelope out; payload in, text out. The one place that speaks JSON."""

import json
from datetime import datetime, timezone
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from routing_core.errors import (
    FrameTooLarge,
    InvalidFrame,
    InvalidJson,
    InvalidPayload,
    RoutingError,
)
from routing_core.messages import ErrorPayload, Id, Message, refuse_unstorable, rule_broken

EMPTY_PAYLOAD = b"{}"
TYPE_FIRST = b'{"type":"'
SHOWN_TYPE_CHARACTERS = 64


class Envelope(msgspec.Struct, frozen=True):
    """A decoded frame. `payload` is still JSON; `id` is None where the client gave none."""

    type: str
    id: str | None
    payload: bytes


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Annotated[str, Meta(min_length=1)]
    id: Id | UnsetType = UNSET
    payload: msgspec.Raw = msgspec.Raw(EMPTY_PAYLOAD)


class _Answer(msgspec.Struct, frozen=True):
    type: str
    id: str | None
    payload: Message


class _Signal(msgspec.Struct, frozen=True):
    type: str
    payload: Message


class _EventBody(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    ts: str
    thread_id: str | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    payload: Message


_decoder = msgspec.json.Decoder(_Shape)
_encoder = msgspec.json.Encoder()


def decode_frame(frame: str | bytes | None, frame_bytes: int) -> Envelope:
    """Read one frame. `frame` is text, or bytes (or None) where the client sent a binary frame.

    Raises `FrameTooLarge`, `InvalidJson`, `InvalidFrame`, or `InvalidPayload` for text no database keeps.
    """
    if not isinstance(frame, str):
        raise InvalidFrame("Binary frames are not accepted; send JSON as a text frame.")
    data = frame.encode(errors="surrogatepass")
    if len(data) > frame_bytes:
        raise FrameTooLarge(
            f"The frame has {len(data)} bytes as sent; at most {frame_bytes} are allowed "
            "(characters escaped as \\u take six bytes each)."
        )
    try:
        shape = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        shape = _last_of_doubled(frame, error)
    payload = bytes(shape.payload)
    if not payload.startswith(b"{"):
        raise InvalidFrame("payload must be an object.", field="payload")
    return Envelope(shape.type, None if shape.id is UNSET else shape.id, payload)


def _last_of_doubled(frame: str, error: Exception) -> _Shape:
    """The decoder also looks at the first of doubled keys; the last counts, as in `JSON.parse`.

    Raises the refusal where there is another reason for it.
    """
    try:
        return _decoder.decode(json.dumps(json.loads(frame)))
    except (ValueError, RecursionError):
        raise _why_refused(frame, error) from None


def _why_refused(frame: str, error: Exception) -> RoutingError:
    """The decoder stops at the first broken rule; what kind of rule is seen in the whole frame."""
    try:
        return _rule_of_frames(_parse(frame), error)
    except RecursionError:
        return InvalidFrame("The frame is nested too deep.")
    except ValueError:
        return InvalidJson()


def _rule_of_frames(value: Any, error: Exception) -> RoutingError:
    if not isinstance(value, dict):
        return InvalidFrame("A frame is an object with type, id and payload.")
    if isinstance(error, msgspec.ValidationError):
        text = rule_broken(error).replace("The payload", "The frame")
        return InvalidFrame(text, field=_culprit(value))
    try:
        refuse_unstorable(value.get("payload"), "payload")
    except InvalidPayload as unstorable:
        return unstorable
    return InvalidFrame("The frame holds text or a number that cannot be read.")


def _parse(frame: str) -> Any:
    """Any JSON at all, also halves of surrogate pairs and numbers of any length.

    Raises `ValueError` and `RecursionError`. Slower than the decoder: for frames it refused.
    """
    return json.loads(frame, parse_int=float, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _culprit(value: dict[str, Any]) -> str | None:
    unknown = [name for name in value if name not in _Shape.__struct_fields__]
    if unknown:
        return unknown[0][:SHOWN_TYPE_CHARACTERS].encode(errors="replace").decode()
    kind = value.get("type")
    return "id" if isinstance(kind, str) and kind else "type"


def salvage_id(frame: str | bytes | None) -> str | None:
    """The `id` of a frame that was refused, so that the client can join the error to it."""
    if not isinstance(frame, str):
        return None
    try:
        value = _parse(frame)
        return msgspec.convert(value.get("id"), Id) if isinstance(value, dict) else None
    except (ValueError, msgspec.ValidationError, RecursionError):
        return None


def encode_answer(message: Message, request_id: str | None) -> str:
    """A reply or an error: it carries the `id` of the message it answers."""
    return _encoder.encode(_Answer(message.type, request_id, message)).decode()


def encode_signal(message: Message) -> str:
    """A frame that belongs to no message and to no stream."""
    return _encoder.encode(_Signal(message.type, message)).decode()


def encode_event(
    message: Message, *, at: datetime, thread_id: str | None = None, run_id: str | None = None
) -> bytes:
    """The body of an event: all of its frame but `seq`, which it gets when it is appended."""
    return _encoder.encode(
        _EventBody(
            type=message.type,
            ts=timestamp(at),
            thread_id=thread_id or UNSET,
            run_id=run_id or UNSET,
            payload=message,
        )
    )


def event_frame(body: bytes, seq: int, skipped_to: int | None = None) -> bytes:
    """The frame of an event: its position set before the rest, the body untouched."""
    skipped = b"" if skipped_to is None else b'"skipped_to":%d,' % skipped_to
    return b'{"seq":%d,%b%b' % (seq, skipped, body[1:])


def event_type(body: bytes) -> str:
    """The type of an event, as `encode_event` wrote it."""
    return body[len(TYPE_FIRST) : body.index(b'"', len(TYPE_FIRST))].decode()


def error_payload(error: RoutingError, trace_id: str) -> ErrorPayload:
    """What a client is told of an error."""
    return ErrorPayload(
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        trace_id=trace_id,
        retry_after_ms=UNSET if error.retry_after_ms is None else error.retry_after_ms,
        field=error.field or UNSET,
        received_type=UNSET if error.received_type is None else error.received_type,
    )


def timestamp(at: datetime) -> str:
    """ISO 8601, UTC, milliseconds."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
