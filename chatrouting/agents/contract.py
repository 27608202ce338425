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
    """What a model counted in this run so far, in tokens."""

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


@dataclass(frozen=True, slots=True)
class Saved:
    """A place from which the agent can go on, as any JSON value. It is kept before the agent is asked for more.

    An agent that goes on is called anew with the last one as `ctx.saved`. Everything it did after that it
    does again, and the run knows what it has already: text that was said since is not said twice, and a
    call of one of the project's tools that was made since, under the same call id, gives the result it gave.
    So one `Saved` after each answer of a model, before its calls, is enough.
    """

    state: Any


AgentEvent: TypeAlias = Thinking | Delta | ToolCall | ToolResult | Usage | Saved | Final


class AgentError(Exception):
    """Raised by an agent to end its run with a reason that its user may read.

    `retryable`: the same may succeed a little later. Then the run makes another attempt after a pause, while
    its attempts and its time last: from what its agent last `Saved` where it is one to `CONTINUE`, else from
    the beginning, and only while no tool has started. The reason is told where it ends the run.
    """

    def __init__(self, code: str, text: str, *, retryable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retryable = retryable


class CrashPolicy(StrEnum):
    """What becomes of a run whose worker died or stopped.

    `FAIL`: it ends `lost` with the text so far. `RESTART`: it begins again, only while no tool has started.
    `CONTINUE`: it goes on from what the agent last `Saved`, from the beginning where that was nothing.
    """

    FAIL = "fail"
    RESTART = "restart"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message of the thread, as an agent sees it. `role` is `user` or `agent`."""

    role: str
    author: str
    content: str


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool, as a model is told of it. `schema` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Tools(Protocol):
    """The project's tools, as an agent calls them: never raises for what a tool does."""

    @property
    def names(self) -> tuple[str, ...]:
        """The tools there are."""
        ...

    @property
    def offers(self) -> tuple[ToolOffer, ...]:
        """The same, as a model is told of them."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], call_id: str = "") -> ToolResult:
        """Run the tool, tell the members of it, and return how it ended.

        `call_id` is unique within the run and the same when the agent goes on from what it `Saved`: the
        call is then the same, and what has ended is not done again. Left out, calls are numbered in the
        order they are made. Where a person has to decide first, this does not return: the agent is
        cancelled, and called anew once there is a decision.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """Everything an agent is given. `history`, the newest of the thread, ends with the question.

    `saved` is what the agent last `Saved` in this run, None where it begins; `text` is what it had written
    by then, which stands; `usage` is what it had counted.
    """

    run_id: UUID
    thread_id: UUID
    user: Person
    attempt: int
    history: tuple[Spoken, ...]
    tools: Tools
    deadline: datetime
    question: str = field(default="")
    saved: Any = None
    text: str = ""
    usage: Usage | None = None


class Agent(Protocol):
    """One method. `name` is what clients ask for; `on_crash` says what a lost worker means."""

    name: ClassVar[str]
    on_crash: ClassVar[CrashPolicy]

    def run(self, ctx: RunContext) -> AsyncIterator[AgentEvent]:
        """Answer the question. Cancelled by cancelling the task that iterates."""
        ...
