"""What an agent is: one method. The supervisor holds the rules of the protocol, so no agent can break them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeAlias
from uuid import UUID

from chatrouting.threads.rules import Person


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thought to show beside the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model counted, in tokens."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Final:
    """The end of the answer. `content`, where given, begins with the deltas sent before it."""

    content: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the agent runs by itself (one of the project is called through `ctx.tools`)."""

    call_id: str
    tool: str
    arguments: Mapping[str, Any]


class ToolStatus(StrEnum):
    """How a call of a tool ended."""

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    INVALID_ARGUMENTS = "invalid_arguments"
    DENIED = "denied"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a call ended: a result, or a code with a text for the model and the person."""

    call_id: str
    status: ToolStatus
    result: Any = None
    code: str = ""
    text: str = ""


AgentEvent: TypeAlias = Thinking | Delta | ToolCall | ToolResult | Final


class AgentError(Exception):
    """Raised by an agent to end its run with a reason that its user may read."""

    def __init__(self, code: str, text: str, *, retryable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retryable = retryable


class CrashPolicy(StrEnum):
    """What becomes of a run whose worker died. `RESTART` holds only while no tool has started."""

    FAIL = "fail"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message of the thread, as an agent sees it. `role` is `user` or `agent`."""

    role: str
    author: str
    content: str


class Tools(Protocol):
    """The project's tools, as an agent calls them: never raises for what a tool does."""

    @property
    def names(self) -> tuple[str, ...]:
        """The tools there are."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run the tool, tell the members of it, and return how it ended."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything an agent is given. `history` ends with the question."""

    run_id: UUID
    thread_id: UUID
    user: Person
    attempt: int
    history: tuple[Spoken, ...]
    tools: Tools
    deadline: datetime
    question: str = field(default="")


class Agent(Protocol):
    """One method. `name` is what clients ask for; `on_crash` says what a lost worker means."""

    name: ClassVar[str]
    on_crash: ClassVar[CrashPolicy]

    def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        """Answer the question. Cancelled by cancelling the task that iterates."""
        ...
