"""What a frame of the server looks like: its four kinds, and the fields of each event."""

import json
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, TypeAlias

Frame: TypeAlias = dict[str, Any]


class Kind(Enum):
    """What the server may send."""

    ANSWER = auto()
    EVENT = auto()
    SIGNAL = auto()


ANSWER_FIELDS = {"type", "id", "payload"}
SIGNAL_FIELDS = {"type", "payload"}
EVENT_FIELDS = {"type", "seq", "ts", "payload"}
EVENT_OPTIONAL = {"thread_id", "run_id", "skipped_to"}
SIGNALS = {"welcome", "bye", "typing", "presence"}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# Event type → the fields its payload always has, and those it may have.
EVENTS: Mapping[str, tuple[set[str], set[str]]] = {
    "message_added": ({"message_id", "role", "author", "content"}, {"client_id"}),
    "run_queued": ({"position"}, set()),
    "agent_started": ({"agent", "attempt", "message_id", "question_id"}, set()),
    "agent_thinking": ({"text", "step"}, set()),
    "tool_executing": ({"call_id", "tool", "arguments"}, set()),
    "tool_completed": (
        {"call_id", "tool", "status", "duration_ms"},
        {"result", "result_url", "result_bytes", "error"},
    ),
    "agent_delta": ({"text", "position"}, set()),
    "approval_required": ({"call_id", "tool", "arguments", "expires_at"}, set()),
    "approval_resolved": ({"call_id", "decision", "by_connection"}, {"arguments"}),
    "agent_error": ({"code", "message", "retryable", "trace_id", "suggestions"}, set()),
    "agent_completed": (
        {"outcome", "content", "message_id", "attempt", "duration_ms", "tools_used"},
        {"usage"},
    ),
    "system_message": ({"content", "level", "scope"}, set()),
    "thread_updated": ({"title", "updated_at"}, set()),
    "thread_removed": (set(), set()),
    "members_changed": ({"members"}, set()),
}
ERROR_FIELDS = (
    {"code", "message", "retryable", "trace_id"},
    {"retry_after_ms", "field", "received_type"},
)
RETRYABLE = {"busy", "rate_limited", "overloaded", "circuit_open", "handler_timeout", "internal"}


def read_frame(text: str | bytes) -> Frame:
    """Parse a frame of the server. Raises `AssertionError` where it breaks the protocol's shapes."""
    assert isinstance(text, str), f"the server sent a binary frame: {text!r}"
    frame = json.loads(text)
    assert isinstance(frame, dict), f"not an object: {text}"
    check_frame(frame)
    return frame


def kind_of(frame: Frame) -> Kind:
    """Which of the kinds this frame is, by the fields that only that kind has."""
    if "seq" in frame:
        return Kind.EVENT
    return Kind.ANSWER if "id" in frame else Kind.SIGNAL


def matches(frame: Frame, kind: str, values: Mapping[str, Any]) -> bool:
    """Whether it is an event of this type with these values in its payload, or beside it."""
    if kind_of(frame) is not Kind.EVENT or frame["type"] != kind:
        return False
    given = {**frame, **frame["payload"]}
    return all(name in given and given[name] == value for name, value in values.items())


def check_frame(frame: Frame) -> None:
    """Raises `AssertionError` where the frame has not the shape of its kind."""
    assert isinstance(frame.get("type"), str), f"no type: {frame}"
    assert isinstance(frame.get("payload"), dict), f"payload is not an object: {frame}"
    match kind_of(frame):
        case Kind.EVENT:
            _check_event(frame)
        case Kind.ANSWER:
            assert set(frame) == ANSWER_FIELDS, f"an answer has type, id and payload: {frame}"
            if frame["type"] == "error":
                _check_fields(frame, *ERROR_FIELDS)
        case Kind.SIGNAL:
            assert set(frame) == SIGNAL_FIELDS, f"a signal has type and payload: {frame}"
            assert frame["type"] in SIGNALS, f"no such signal: {frame}"


def _check_event(frame: Frame) -> None:
    _only(set(frame), EVENT_FIELDS, EVENT_OPTIONAL, frame)
    assert isinstance(frame["seq"], int), f"seq is not a number: {frame}"
    assert TIMESTAMP.fullmatch(frame["ts"]), f"ts is not ISO 8601 UTC with milliseconds: {frame}"
    assert frame["type"] in EVENTS, f"no such event: {frame}"
    _check_fields(frame, *EVENTS[frame["type"]])


def _check_fields(frame: Frame, required: set[str], optional: set[str]) -> None:
    _only(set(frame["payload"]), required, optional, frame)


def _only(found: set[str], required: set[str], optional: set[str], frame: Frame) -> None:
    missing, unknown = required - found, found - required - optional
    assert not missing, f"{sorted(missing)} missing in {frame}"
    assert not unknown, f"{sorted(unknown)} unknown in {frame}"


def assert_error(frame: Frame, id: str | None, code: str, **more: Any) -> None:
    """The frame is this error, with these optional fields and no others; its texts are free."""
    told = frame["payload"] if frame["type"] == "error" else {}
    payload = {
        "code": code,
        "message": told.get("message"),
        "retryable": code in RETRYABLE,
        "trace_id": told.get("trace_id"),
        **more,
    }
    assert frame == {"type": "error", "id": id, "payload": payload}, f"not {code} {more}: {frame}"
    assert told["message"] and told["trace_id"], f"says nothing: {frame}"
