"""Routes for tests whose handlers fail, in one way or another."""

import asyncio
from typing import ClassVar, Literal

from chatrouting.chat.context import Context
from routing_core.errors import Busy, NotFound, PermissionDenied
from routing_core.messages import Message
from routing_core.router import Route

SECRET = "/srv/secret/settings.py SELECT password FROM auth_user"


class Passed(Message, frozen=True):
    """The gate was open."""

    type: ClassVar[str] = "test.passed"


class Sleep(Message, frozen=True):
    """Take ten seconds, which is longer than a handler may."""

    type: ClassVar[str] = "test.sleep"


class Crash(Message, frozen=True):
    """Fail as `test.fail` does."""

    type: ClassVar[str] = "test.crash"


class Weak(Message, frozen=True):
    """Work, at once or for a second, fail, or find that the client was mistaken."""

    type: ClassVar[str] = "test.weak"

    come: Literal["good", "slow", "bad", "mistake"] = "good"


class Raise(Message, frozen=True):
    """Be answered by the error of this code."""

    type: ClassVar[str] = "test.raise"

    code: Literal["busy", "permission_denied", "not_found"]


async def sleep(ctx: Context, message: Sleep) -> Passed:
    await asyncio.sleep(10)
    return Passed()


async def crash(ctx: Context, message: Crash) -> Passed:
    raise RuntimeError(SECRET)


async def weak(ctx: Context, message: Weak) -> Passed:
    if message.come == "bad":
        raise RuntimeError(SECRET)
    if message.come == "mistake":
        raise NotFound
    if message.come == "slow":
        await asyncio.sleep(1)
    return Passed()


async def refuse(ctx: Context, message: Raise) -> Passed:
    if message.code == "busy":
        raise Busy(retry_after_ms=1_000)
    raise PermissionDenied if message.code == "permission_denied" else NotFound


ROUTES = (Route(Sleep, sleep), Route(Crash, crash), Route(Weak, weak), Route(Raise, refuse))
