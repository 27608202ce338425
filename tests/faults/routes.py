"""The project's routes, and two that bring a web process into trouble."""

import os
import signal
import time
from collections.abc import Sequence
from typing import ClassVar

from django.db import transaction

from chatrouting.chat import conversation
from chatrouting.chat.context import Context
from chatrouting.database import in_database
from chatrouting.routing import router as project_router
from chatrouting.threads.models import Thread, ThreadMessage
from routing_core.messages import Message
from routing_core.router import Route, Router


class Hold(Message, frozen=True):
    """Hold a thread of the database, and its right to write, for so long."""

    type: ClassVar[str] = "test.hold"

    milliseconds: int


class DieBeforeTelling(Message, frozen=True):
    """Die as by kill -9 once the message of this id is committed, before it is published."""

    type: ClassVar[str] = "test.die_before_telling"

    message: str


class Done(Message, frozen=True):
    """It is done, or will be."""

    type: ClassVar[str] = "test.done"


async def hold(ctx: Context, message: Hold) -> Done:
    await in_database(_hold, message.milliseconds / 1000)
    return Done()


def _hold(seconds: float) -> None:
    with transaction.atomic():
        Thread.objects.filter(title="").exists()
        time.sleep(seconds)


async def die_before_telling(ctx: Context, message: DieBeforeTelling) -> Done:
    announce = conversation.announce

    async def die_or_announce(question: ThreadMessage, members: Sequence[str]) -> None:
        if question.client_id == message.message:
            os.kill(os.getpid(), signal.SIGKILL)
        await announce(question, members)

    conversation.announce = die_or_announce
    return Done()


router: Router[Context] = Router(
    [*project_router.routes, Route(Hold, hold), Route(DieBeforeTelling, die_before_telling)],
    events=project_router.events,
    signals=project_router.signals,
)
