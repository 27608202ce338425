"""What a message passes on its way, from the codec alone to all that a socket of the chat has around it.

Importing it reads the settings: they come first.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from chatrouting.chat.context import Context
from chatrouting.connections.admission import admit
from chatrouting.connections.dispatching import MIDDLEWARE, OBSERVERS, SURROUNDINGS
from chatrouting.connections.refusals import Refusals
from chatrouting.threads.rules import Person
from routing_core.dispatch import Dispatcher
from routing_core.envelope import decode_frame, encode_answer
from routing_core.messages import Message, decode_payload
from routing_core.router import Route, Router

FRAME = '{"type":"test.count","id":"m1","payload":{"text":"a few words that somebody has said"}}'
FRAME_BYTES = 65_536

Way = Callable[[], Awaitable[Any]]


class Count(Message, frozen=True):
    """Count the words."""

    type: ClassVar[str] = "test.count"

    text: Annotated[str, Meta(max_length=8_000)]


class Counted(Message, frozen=True):
    """How many there are."""

    type: ClassVar[str] = "test.counted"

    words: int


async def count(ctx: Context, message: Count) -> Counted:
    return Counted(words=7)


CONTEXT = Context(Person("7", "ann"), "a connection", "a session")
ROUTER: Router[Context] = Router([Route(Count, count)])


def sent(frame: str) -> bool:
    return True


async def codec() -> str:
    """Without a router: the frame is read, the one handler there is called, its reply written."""
    envelope = decode_frame(FRAME, FRAME_BYTES)
    reply = await count(CONTEXT, decode_payload(envelope.payload, Count))
    return encode_answer(reply, envelope.id)


def dispatcher(middleware: int, observers: int) -> Dispatcher[Context]:
    """With the innermost so many of the chat's middleware, and the first so many observers."""
    return Dispatcher(
        lambda: ROUTER,
        SURROUNDINGS,
        frame_bytes=FRAME_BYTES,
        middleware=MIDDLEWARE[len(MIDDLEWARE) - middleware :],
        observers=OBSERVERS[:observers],
    )


def dispatched(middleware: int, observers: int) -> Way:
    made = dispatcher(middleware, observers)

    async def way() -> str | None:
        answer = await made.handle(CONTEXT, FRAME)
        made.conclude(answer, sent)
        return answer.frame

    return way


def admitted() -> Way:
    made = dispatcher(len(MIDDLEWARE), len(OBSERVERS))
    refusals = Refusals(made)

    async def way() -> str | None:
        answer = await admit(made, CONTEXT, made.read(CONTEXT, FRAME), refusals)
        made.conclude(answer, sent)
        return answer.frame

    return way


def layers(bare: str) -> dict[str, Way]:
    """By name, each with one thing more than the one before. `bare` names the dispatcher with nothing."""
    found: dict[str, Way] = {"codec": codec, bare: dispatched(0, 0)}
    for count_of, each in enumerate(reversed(MIDDLEWARE), 1):
        found[f"+ {each.__name__}"] = dispatched(count_of, 0)
    for count_of, observer in enumerate(OBSERVERS, 1):
        found[f"+ {observer.__name__}"] = dispatched(len(MIDDLEWARE), count_of)
    found["+ rate, room, trace id in the log"] = admitted()
    return found
