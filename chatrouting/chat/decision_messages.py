"""Deciding about a call of a tool that needs it."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from routing_core.messages import Message


class DecideTool(Message, frozen=True):
    """Allow or refuse a call that waits for it; `arguments`, where given, replace those of the model whole."""

    type: ClassVar[str] = "decide_tool"
    needs_id: ClassVar[bool] = True

    run_id: UUID
    call_id: Annotated[str, Meta(min_length=1, max_length=64)]
    decision: Literal["approve", "deny"]
    arguments: dict[str, Any] | UnsetType = UNSET


class DecisionRecorded(Message, frozen=True):
    """The decision that stands: this one, or, with `duplicate`, the one that was made before."""

    type: ClassVar[str] = "decision_recorded"

    call_id: str
    decision: str
    duplicate: bool
