"""What opens a connection and keeps it alive."""

from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chatrouting.conf import ChatSettings
from routing_core.messages import Message

DEFAULTS = ChatSettings()


def by_default(setting: str) -> Meta:
    """For the reference: the number is a setting of the site, and what it is where the site has none."""
    return Meta(extra_json_schema={"default": getattr(DEFAULTS, setting)})


class Limits(msgspec.Struct, frozen=True):
    """What a client may do."""

    frame_bytes: Annotated[int, by_default("frame_bytes")]
    messages_per_minute: Annotated[int, by_default("messages_per_minute")]
    connections_per_user: Annotated[int, by_default("connections_per_user")]
    in_flight: Annotated[int, by_default("in_flight")]
    runs_per_user: Annotated[int, by_default("runs_per_user")]


class Welcome(Message, frozen=True):
    """The first frame: who the client is, where its stream stands, what it may do."""

    type: ClassVar[str] = "welcome"

    protocol: int
    connection_id: str
    user_id: str
    epoch: str
    seq: int
    recovered: bool | None
    heartbeat_seconds: Annotated[float, by_default("heartbeat_seconds")]
    limits: Limits
    server_time: str


class Ping(Message, frozen=True):
    """Ask for the top of the stream; `ack` is the last seq seen."""

    type: ClassVar[str] = "ping"

    ack: Annotated[int, Meta(ge=0, le=2**53)] | UnsetType = UNSET


class Pong(Message, frozen=True):
    """The top of the user's stream, so that a client finds a lost tail.

    Up to `skipped_to` whatever was not sent was not subscribed to.
    """

    type: ClassVar[str] = "pong"

    seq: int
    skipped_to: int | UnsetType = UNSET


class Heartbeat(Message, frozen=True):
    """Say that the client is there. Answered at once, also while another message is at work."""

    type: ClassVar[str] = "heartbeat"
    immediate: ClassVar[bool] = True


class HeartbeatAck(Message, frozen=True):
    """The server is there too."""

    type: ClassVar[str] = "heartbeat_ack"


EventType: TypeAlias = Literal[
    "agent_completed",
    "agent_delta",
    "agent_error",
    "agent_started",
    "agent_thinking",
    "approval_required",
    "approval_resolved",
    "members_changed",
    "message_added",
    "run_queued",
    "system_message",
    "thread_removed",
    "thread_updated",
    "tool_completed",
    "tool_executing",
]


class Subscribe(Message, frozen=True):
    """Which events this socket is to be sent; `null`: all."""

    type: ClassVar[str] = "subscribe"

    types: Annotated[list[EventType], Meta(max_length=100)] | None


class Subscribed(Message, frozen=True):
    """From now on only those are sent."""

    type: ClassVar[str] = "subscribed"
