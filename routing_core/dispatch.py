"""From frame to answer: at most one frame out for one frame in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from routing_core.envelope import (
    Envelope,
    decode_frame,
    encode_answer,
    error_payload,
    salvage_id,
)
from routing_core.errors import ErrorCode, Internal, InvalidFrame, ProtocolError, RoutingError
from routing_core.messages import Message, decode_payload
from routing_core.middleware import Middleware, compose
from routing_core.router import Route, Router


@dataclass(frozen=True, slots=True)
class Request:
    """The message being handled. `id` is the client's, `trace_id` stands in the server's log."""

    type: str
    id: str | None
    payload: bytes
    trace_id: str


class TakesRequest(Protocol):
    """A context that can be told which message it is for."""

    def for_request(self: "C", request: Request) -> "C":
        """The same context, for this message."""
        ...


C = TypeVar("C", bound=TakesRequest)


@dataclass(frozen=True, slots=True)
class Answer:
    """The frame to send, and what it answers. `type` is None where no route was found."""

    frame: str
    type: str | None
    error: ErrorCode | None = None
    protocol_error: bool = False


class Report(Protocol):
    """Told of every error, with the request as far as it was understood."""

    def __call__(self, error: Exception, trace_id: str, envelope: Envelope | None) -> None: ...


class Dispatcher(Generic[C]):
    """Decodes a frame, finds its route, calls the handler, encodes what came of it."""

    def __init__(
        self,
        router: Router[C],
        *,
        frame_bytes: int,
        new_trace_id: Callable[[], str],
        report: Report,
        middleware: Sequence[Middleware[C]] = (),
    ) -> None:
        self.router = router
        self._frame_bytes = frame_bytes
        self._new_trace_id = new_trace_id
        self._report = report
        self._middleware = tuple(middleware)

    async def handle(self, ctx: C, frame: str | bytes | None) -> Answer | None:
        """Answer one frame; None where the handler has nothing to say.

        Raises nothing but what is no `Exception`: what a handler raises becomes an error frame.
        """
        trace_id, envelope = self._new_trace_id(), None
        try:
            envelope = decode_frame(frame, self._frame_bytes)
            return await self._serve(ctx, envelope, trace_id)
        except RoutingError as error:
            self._report(error, trace_id, envelope)
            return self._refuse(error, frame, envelope, trace_id)
        except Exception as error:  # the edge: whatever a handler raises, the sender gets one error
            self._report(error, trace_id, envelope)
            return self._refuse(Internal(), frame, envelope, trace_id)

    def refuse(self, error: RoutingError, frame: str | bytes | None) -> Answer:
        """The answer to a frame that is not even looked at."""
        trace_id = self._new_trace_id()
        self._report(error, trace_id, None)
        return self._refuse(error, frame, None, trace_id)

    async def _serve(self, ctx: C, envelope: Envelope, trace_id: str) -> Answer | None:
        route = self.router.resolve(envelope.type, ctx)
        if route.message.needs_id and envelope.id is None:
            raise InvalidFrame(f"{route.message.type} needs an id.", field="id")
        message = decode_payload(envelope.payload, route.message)
        request = Request(route.message.type, envelope.id, envelope.payload, trace_id)
        reply = await compose(self._middleware, route.handler)(ctx.for_request(request), message)
        if reply is None:
            return None
        _demand_message(reply, route)
        return Answer(encode_answer(reply, envelope.id), route.message.type)

    def _refuse(
        self,
        error: RoutingError,
        frame: str | bytes | None,
        envelope: Envelope | None,
        trace_id: str,
    ) -> Answer:
        request_id = envelope.id if envelope else salvage_id(frame)
        return Answer(
            encode_answer(error_payload(error, trace_id), request_id),
            envelope.type if envelope else None,
            error.code,
            isinstance(error, ProtocolError),
        )


def _demand_message(reply: object, route: Route[C, Message]) -> None:
    if not isinstance(reply, Message):
        raise TypeError(
            f"handler {route.name} returned {type(reply).__name__}; "
            "return a Message (the reply) or None (no reply)"
        )
