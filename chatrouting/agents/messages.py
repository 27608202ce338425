"""The events of a run."""

from typing import Any, ClassVar

from msgspec import UNSET, UnsetType

from routing_core.messages import Message


class RunQueued(Message, frozen=True):
    """The run waits behind others; `position` 1 is next. Sent again when it changes."""

    type: ClassVar[str] = "run_queued"

    position: int


class AgentStarted(Message, frozen=True):
    """An attempt begins; a higher `attempt` voids the text of the one before."""

    type: ClassVar[str] = "agent_started"

    agent: str
    attempt: int
    message_id: str
    question_id: str


class AgentThinking(Message, frozen=True):
    """What the agent thinks, step by step."""

    type: ClassVar[str] = "agent_thinking"

    text: str
    step: int


class AgentDelta(Message, frozen=True):
    """A piece of the answer; `position` counts the code points before it."""

    type: ClassVar[str] = "agent_delta"

    text: str
    position: int


class ToolExecuting(Message, frozen=True):
    """A tool is called. Secrets are masked, long values cut with a mark."""

    type: ClassVar[str] = "tool_executing"

    call_id: str
    tool: str
    arguments: dict[str, Any]


class ToolFailure(Message, frozen=True):
    """Why a tool gave no result."""

    type: ClassVar[str] = "tool_failure"

    code: str
    message: str


class ToolCompleted(Message, frozen=True):
    """The one end of a call. A result over 32 KiB is null here and stands at `result_url`."""

    type: ClassVar[str] = "tool_completed"

    call_id: str
    tool: str
    status: str
    duration_ms: int
    result: Any | UnsetType = UNSET
    result_url: str | UnsetType = UNSET
    result_bytes: int | UnsetType = UNSET
    error: ToolFailure | UnsetType = UNSET


class ApprovalRequired(Message, frozen=True):
    """The run waits until the person who started it has decided about a call, or the time is over."""

    type: ClassVar[str] = "approval_required"

    call_id: str
    tool: str
    arguments: dict[str, Any]
    expires_at: str


class ApprovalResolved(Message, frozen=True):
    """The decision, once for all devices. `by_connection` is null where nobody decided in time."""

    type: ClassVar[str] = "approval_resolved"

    call_id: str
    decision: str
    by_connection: str | None
    arguments: dict[str, Any] | UnsetType = UNSET


class AgentErrorOccurred(Message, frozen=True):
    """Detail of a failure, before the end; not the end."""

    type: ClassVar[str] = "agent_error"

    code: str
    message: str
    retryable: bool
    trace_id: str
    suggestions: list[str]


class TokenUsage(Message, frozen=True):
    """What the model counted."""

    type: ClassVar[str] = "token_usage"

    input_tokens: int
    output_tokens: int


class AgentCompleted(Message, frozen=True):
    """The end of a run: exactly one, and last. `content` is null where it is over 256 KiB."""

    type: ClassVar[str] = "agent_completed"

    outcome: str
    content: str | None
    message_id: str
    attempt: int
    duration_ms: int
    tools_used: list[str]
    usage: TokenUsage | UnsetType = UNSET


RUN_EVENTS: tuple[type[Message], ...] = (
    RunQueued,
    AgentStarted,
    AgentThinking,
    AgentDelta,
    ToolExecuting,
    ApprovalRequired,
    ApprovalResolved,
    ToolCompleted,
    AgentErrorOccurred,
    AgentCompleted,
)
