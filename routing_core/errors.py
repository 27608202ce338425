"""Everything a client may be told instead of a reply.

RoutingError
├── ProtocolError            the frame itself is wrong; counts towards close 4010
│   ├── InvalidJson
│   ├── InvalidFrame
│   ├── FrameTooLarge
│   ├── UnknownType
│   └── TypeNotAllowed
├── InvalidPayload
├── NotFound
├── PermissionDenied
├── Busy
├── RateLimited
├── Overloaded
├── CircuitOpen
├── HandlerTimeout
└── Internal
"""

from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    """The codes of the protocol. They are stable; the texts beside them are not."""

    INVALID_JSON = "invalid_json"
    INVALID_FRAME = "invalid_frame"
    FRAME_TOO_LARGE = "frame_too_large"
    UNKNOWN_TYPE = "unknown_type"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    INVALID_PAYLOAD = "invalid_payload"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    BUSY = "busy"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    CIRCUIT_OPEN = "circuit_open"
    HANDLER_TIMEOUT = "handler_timeout"
    INTERNAL = "internal"


class RoutingError(Exception):
    """Base of what a client may be told. `field`, `received_type` and `retry_after_ms` are optional."""

    code: ClassVar[ErrorCode]
    retryable: ClassVar[bool] = False
    text: ClassVar[str]

    def __init__(
        self,
        text: str = "",
        *,
        field: str | None = None,
        received_type: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(text or self.text)
        self.field = field
        self.received_type = received_type
        self.retry_after_ms = retry_after_ms


class ProtocolError(RoutingError):
    """The frame broke the protocol; a client that goes on like this is disconnected."""


class InvalidJson(ProtocolError):
    """The text of the frame is not JSON."""

    code = ErrorCode.INVALID_JSON
    text = "The frame is not valid JSON."


class InvalidFrame(ProtocolError):
    """JSON, but no envelope: a field is missing, unknown or of the wrong kind; or the frame is binary."""

    code = ErrorCode.INVALID_FRAME
    text = "The frame is not an object with type, id and payload."


class FrameTooLarge(ProtocolError):
    """The frame is longer than `limits.frame_bytes`."""

    code = ErrorCode.FRAME_TOO_LARGE
    text = "The frame is too large."


class UnknownType(ProtocolError):
    """No route serves the type for this sender, and the server sends none of that name."""

    code = ErrorCode.UNKNOWN_TYPE
    text = "No message has this type."


class TypeNotAllowed(ProtocolError):
    """The type is one that the server sends: a reply, an event or a signal."""

    code = ErrorCode.TYPE_NOT_ALLOWED
    text = "Only the server sends this type."


class InvalidPayload(RoutingError):
    """A field of the payload breaks its rule; `field` names it."""

    code = ErrorCode.INVALID_PAYLOAD
    text = "The payload is not valid."


class NotFound(RoutingError):
    """What an id names is not there, or is another's: both look the same."""

    code = ErrorCode.NOT_FOUND
    text = "There is no such thing."


class PermissionDenied(RoutingError):
    """The sender lacks a permission, or the type is switched off."""

    code = ErrorCode.PERMISSION_DENIED
    text = "This is not permitted."


class Busy(RoutingError):
    """A queue is full; or `on_busy` is `reject` and the run would wait, for its thread or for `runs_per_user`."""

    code = ErrorCode.BUSY
    retryable = True
    text = "The thread is busy."


class RateLimited(RoutingError):
    """The sender is over `limits.messages_per_minute`, over all sockets and processes."""

    code = ErrorCode.RATE_LIMITED
    retryable = True
    text = "Too many messages."


class Overloaded(RoutingError):
    """Too many messages are at work, or Valkey or the database does not answer."""

    code = ErrorCode.OVERLOADED
    retryable = True
    text = "The server has too much to do."


class CircuitOpen(RoutingError):
    """The route failed again and again and is shut for a while."""

    code = ErrorCode.CIRCUIT_OPEN
    retryable = True
    text = "This kind of message is not served at the moment."


class HandlerTimeout(RoutingError):
    """The handler was not done within its time; what it still does is not heard."""

    code = ErrorCode.HANDLER_TIMEOUT
    retryable = True
    text = "The answer took too long."


class Internal(RoutingError):
    """The server made a mistake; `trace_id` finds it in its log."""

    code = ErrorCode.INTERNAL
    retryable = True
    text = "Something went wrong on the server."
