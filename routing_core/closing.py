"""The end of a connection: codes, and what a client does after each."""

from enum import IntEnum, StrEnum
from typing import ClassVar

from routing_core.messages import Message


class Reconnect(StrEnum):
    """What the client does next. The range of the code says the same, so an unknown code is safe."""

    STOP = "stop"
    BACKOFF = "backoff"
    RESUME = "resume"
    LOGIN = "login"


class CloseCode(IntEnum):
    """Codes that every ASGI server can send."""

    PROTOCOL = 4000
    FORBIDDEN = 4003
    DISCONNECTED = 4004
    ACCOUNT_DISABLED = 4005
    REPLACED = 4006
    TOO_MANY_ERRORS = 4010
    OVER_CAPACITY = 4100
    RATE = 4101
    SERVER_ERROR = 4103
    DRAINING = 4200
    NO_HEARTBEAT = 4201
    TOO_SLOW = 4202
    POSITION_LOST = 4203
    MAXIMUM_AGE = 4204
    NO_SESSION = 4401


REASONS = {
    CloseCode.PROTOCOL: "protocol error",
    CloseCode.FORBIDDEN: "forbidden",
    CloseCode.DISCONNECTED: "disconnected by an operator",
    CloseCode.ACCOUNT_DISABLED: "account disabled",
    CloseCode.REPLACED: "replaced by a newer connection",
    CloseCode.TOO_MANY_ERRORS: "too many errors",
    CloseCode.OVER_CAPACITY: "over capacity",
    CloseCode.RATE: "too fast",
    CloseCode.SERVER_ERROR: "server error",
    CloseCode.DRAINING: "the server restarts",
    CloseCode.NO_HEARTBEAT: "no heartbeat",
    CloseCode.TOO_SLOW: "too slow",
    CloseCode.POSITION_LOST: "stream position lost",
    CloseCode.MAXIMUM_AGE: "maximum age reached",
    CloseCode.NO_SESSION: "sign in again",
}

# First code of a range → what to do, and how long to wait first, in ms from and to.
_RANGES: tuple[tuple[int, Reconnect, tuple[int, int]], ...] = (
    (4400, Reconnect.LOGIN, (0, 0)),
    (4200, Reconnect.RESUME, (0, 1_000)),
    (4100, Reconnect.BACKOFF, (500, 20_000)),
    (4000, Reconnect.STOP, (0, 0)),
)


class Bye(Message, frozen=True):
    """Announces a close before it happens."""

    type: ClassVar[str] = "bye"

    code: int
    reason: str
    reconnect: Reconnect
    after_ms: tuple[int, int]


def bye(code: CloseCode) -> Bye:
    """The announcement of a close with this code."""
    reconnect, after_ms = next((what, wait) for first, what, wait in _RANGES if code >= first)
    return Bye(code=code, reason=REASONS[code], reconnect=reconnect, after_ms=after_ms)
