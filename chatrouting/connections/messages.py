"""What opens a connection and keeps it alive."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from routing_core.messages import Message


class Limits(msgspec.Struct, frozen=True):
    """What a client may do."""

    frame_bytes: int
    messages_per_minute: int
    connections_per_user: int
    in_flight: int
    runs_per_user: int


class Welcome(Message, frozen=True):
    """The first frame: who the client is, where its stream stands, what it may do."""

    type: ClassVar[str] = "welcome"

    protocol: int
    connection_id: str
    user_id: str
    epoch: str
    seq: int
    recovered: bool | None
    heartbeat_seconds: float
    limits: Limits
    server_time: str


class Ping(Message, frozen=True):
    """Ask for the top of the stream; `ack` is the last seq seen."""

    type: ClassVar[str] = "ping"

    ack: Annotated[int, Meta(ge=0, le=2**53)] | UnsetType = UNSET


class Pong(Message, frozen=True):
    """The top of the user's stream, so that a client finds a lost tail."""

    type: ClassVar[str] = "pong"

    seq: int


class Heartbeat(Message, frozen=True):
    """Say that the client is there. Answered at once, also while another message is at work."""

    type: ClassVar[str] = "heartbeat"
    immediate: ClassVar[bool] = True


class HeartbeatAck(Message, frozen=True):
    """The server is there too."""

    type: ClassVar[str] = "heartbeat_ack"
