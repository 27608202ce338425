"""What a person may say, what is answered, and what the others see of it."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from routing_core.messages import Message

Content = Annotated[str, Meta(min_length=1, max_length=8_000, pattern=r"\S")]
AgentName = Annotated[str, Meta(min_length=1, max_length=64)]
OnBusy = Literal["queue", "reject", "interrupt"]
Limit = Annotated[int, Meta(ge=1, le=100)]


class UserMessage(Message, frozen=True):
    """Say something in a thread, or in a new one where `thread_id` is left out."""

    type: ClassVar[str] = "user_message"
    aliases: ClassVar[tuple[str, ...]] = ("chat",)
    needs_id: ClassVar[bool] = True

    content: Content
    thread_id: UUID | UnsetType = UNSET
    agent: AgentName | UnsetType = UNSET
    on_busy: OnBusy = "queue"


class StartAgent(Message, frozen=True):
    """Let this agent answer, in a thread or in a new one where `thread_id` is left out."""

    type: ClassVar[str] = "start_agent"
    needs_id: ClassVar[bool] = True

    agent: AgentName
    content: Content
    thread_id: UUID | UnsetType = UNSET
    on_busy: OnBusy = "queue"


class MessageAccepted(Message, frozen=True):
    """The message is stored and its run is on its way."""

    type: ClassVar[str] = "message_accepted"

    thread_id: str
    message_id: str
    run_id: str
    status: Literal["running", "queued"]
    duplicate: bool


class StopAgent(Message, frozen=True):
    """Stop a run. Stopping twice, or a finished run, is no error."""

    type: ClassVar[str] = "stop_agent"

    run_id: UUID


class RunStopping(Message, frozen=True):
    """The stop is noted; the run's end comes as an event."""

    type: ClassVar[str] = "run_stopping"

    run_id: str
    status: str


class RunStatusAsked(Message, frozen=True):
    """Ask how a run stands and what it has written so far."""

    type: ClassVar[str] = "run_status"

    run_id: UUID


class RunStatusTold(Message, frozen=True):
    """How a run stands; `text` is true at the event `seq`."""

    type: ClassVar[str] = "run_status"

    run_id: str
    thread_id: str
    status: str
    agent: str
    text: str
    seq: int
    attempt: int
    outcome: str | UnsetType = UNSET


class ListThreads(Message, frozen=True):
    """List the threads one may read, newest first, or those that come after `before`."""

    type: ClassVar[str] = "list_threads"

    before: UUID | UnsetType = UNSET
    limit: Limit = 50


class ThreadShown(msgspec.Struct, frozen=True):
    """One thread of a list."""

    thread_id: str
    title: str
    updated_at: str
    active_run_id: str | None


class ThreadList(Message, frozen=True):
    """One page of threads; `more` says whether older ones follow."""

    type: ClassVar[str] = "thread_list"

    threads: list[ThreadShown]
    more: bool


class ThreadHistory(Message, frozen=True):
    """Read the messages of a thread that come before `before`, or the last ones."""

    type: ClassVar[str] = "thread_history"

    thread_id: UUID
    before: UUID | UnsetType = UNSET
    limit: Limit = 50


class Author(msgspec.Struct, frozen=True):
    """Who wrote a message; `user_id` is null for an agent."""

    user_id: str | None
    name: str


class MessageShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a history. `outcome` stands on answers, `truncated` where `content` was cut."""

    message_id: str
    role: str
    author: Author
    content: str
    run_id: str | None
    created_at: str
    outcome: str | UnsetType = UNSET
    truncated: bool = False


class ThreadHistoryPage(Message, frozen=True):
    """One page of a thread, oldest first; `more` says whether older messages come before it."""

    type: ClassVar[str] = "thread_history"

    thread_id: str
    messages: list[MessageShown]
    more: bool


class MessageAdded(Message, frozen=True):
    """Somebody said something. `client_id` is the id it came with, for its author only."""

    type: ClassVar[str] = "message_added"

    message_id: str
    role: Literal["user"]
    author: Author
    content: str
    client_id: str | UnsetType = UNSET


UserId = Annotated[str, Meta(min_length=1, max_length=64)]
UserIds = Annotated[list[UserId], Meta(min_length=1, max_length=1_000)]
Level = Literal["info", "warning", "critical"]


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Whom a broadcast is for: exactly one of `all` (true), `users`, `exclude`, `permission`."""

    all: bool | UnsetType = UNSET
    users: UserIds | UnsetType = UNSET
    exclude: UserIds | UnsetType = UNSET
    permission: Annotated[str, Meta(min_length=3, max_length=200)] | UnsetType = UNSET


class SendBroadcast(Message, frozen=True):
    """Tell many users something. It needs the permission `chatrouting_chat.broadcast`."""

    type: ClassVar[str] = "broadcast"
    needs_id: ClassVar[bool] = True

    content: Content
    audience: Audience
    level: Level = "info"


class BroadcastSent(Message, frozen=True):
    """The broadcast is on its way to so many users."""

    type: ClassVar[str] = "broadcast_sent"

    users: int
    duplicate: bool


class SystemMessage(Message, frozen=True):
    """Something the operators tell. `scope` is `all` where everybody is told, else `some`."""

    type: ClassVar[str] = "system_message"

    content: str
    level: str
    scope: str


def as_stored(message: Message) -> dict[str, Any]:
    """A reply as a receipt keeps it."""
    stored: dict[str, Any] = msgspec.to_builtins(message)
    return stored
