"""Messages, a context and a dispatcher for the tests of the core, and a way to read an answer."""

import itertools
import json
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, UnsetType, field

from routing_core.dispatch import Dispatcher, Request, Surroundings
from routing_core.messages import Id, Message
from routing_core.router import Route, Router

FRAME_BYTES = 2_000


class Note(Message, frozen=True):
    """A message with a field of every kind."""

    type: ClassVar[str] = "note"
    aliases: ClassVar[tuple[str, ...]] = ("memo",)

    content: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    thread_id: Id | UnsetType = UNSET
    count: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0
    loud: bool = False
    tags: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)


class Keep(Message, frozen=True):
    """A message whose id is required."""

    type: ClassVar[str] = "keep"
    needs_id: ClassVar[bool] = True


class Beat(Message, frozen=True):
    """A message without fields, answered at once."""

    type: ClassVar[str] = "beat"
    immediate: ClassVar[bool] = True


class Noted(Message, frozen=True):
    """The reply to the others."""

    type: ClassVar[str] = "noted"

    content: str = ""


@dataclass(frozen=True)
class Context:
    """What a handler of the tests is given."""

    user: str = "ann"
    request: Request | None = None

    def for_request(self, request):
        return replace(self, request=request)


async def noted(ctx, message):
    return Noted()


def raising(error):
    async def handler(ctx, message):
        raise error

    return handler


def returning(value):
    async def handler(ctx, message):
        return value

    return handler


class Reports(list):
    """Keeps what a dispatcher reports."""

    def __call__(self, error, trace_id, envelope):
        self.append((error, trace_id, envelope))


def dispatcher(*routes, report=None, server_types=("noted",), current=None, **options):
    """A dispatcher of these routes whose trace ids are trace1, trace2, …, and whose clock is a count."""
    numbers, ticks = itertools.count(1), itertools.count()
    table = Router(routes or ROUTES, server_types=server_types)
    return Dispatcher(
        current or (lambda: table),
        Surroundings(
            new_trace_id=lambda: f"trace{next(numbers)}",
            clock=lambda: next(ticks),
            report=report if report is not None else Reports(),
        ),
        frame_bytes=FRAME_BYTES,
        **options,
    )


ROUTES = (Route(Note, noted), Route(Keep, noted), Route(Beat, noted))


FRAME = '{"type":"note","id":"m1","payload":{"content":"hello"}}'
INTERNAL = {
    "type": "error",
    "id": "m1",
    "payload": {
        "code": "internal",
        "message": "Something went wrong on the server.",
        "retryable": True,
        "trace_id": "trace1",
    },
}


def read(answer):
    """The frame of an answer, as a client reads it."""
    return json.loads(answer.frame)


def error_frame(request_id, code, message, **extra):
    """The whole frame of an error that is not retryable."""
    payload = {"code": code, "message": message, "retryable": False, "trace_id": "trace1"}
    return {"type": "error", "id": request_id, "payload": payload | extra}
