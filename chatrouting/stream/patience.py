"""Which events may leave a moment later than they could, in one write with what follows them."""

from routing_core.envelope import TYPE_FIRST
from routing_core.messages import Message

_beginnings: tuple[bytes, ...] = ()


def let_wait(message_type: type[Message]) -> None:
    """Say it of a type of which many follow each other closely. An app does so when it is loaded."""
    global _beginnings
    _beginnings = (*_beginnings, TYPE_FIRST + message_type.type.encode() + b'"')


def may_wait(body: bytes) -> bool:
    """Whether the event, as the log has it, is of such a type."""
    return body.startswith(_beginnings)
