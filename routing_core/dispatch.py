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


@dataclass(frozen=True, slots=True)
class Incoming(Generic[C]):
    """A frame that was read: the route that serves it, or the error that answers it."""

    trace_id: str
    id: str | None
    envelope: Envelope | None = None
    route: Route[C, Message] | None = None
    error: Exception | None = None

    @property
    def immediate(self) -> bool:
        """Whether it is answered before messages that came earlier."""
        return self.route is not None and self.route.message.immediate


class Dispatcher(Generic[C]):
    """Reads a frame, finds its route, calls the handler, encodes what came of it."""

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
        return await self.serve(ctx, self.read(ctx, frame))

    def read(self, ctx: C, frame: str | bytes | None) -> Incoming[C]:
        """Find out what a frame asks for, without doing it."""
        trace_id, envelope = self._new_trace_id(), None
        try:
            envelope = decode_frame(frame, self._frame_bytes)
            route = self.router.resolve(envelope.type, ctx)
            if route.message.needs_id and envelope.id is None:
                raise InvalidFrame(f"{route.message.type} needs an id.", field="id")
            return Incoming(trace_id, envelope.id, envelope, route)
        except Exception as error:  # noqa: BLE001 - reason: the edge, as in `serve`
            request_id = envelope.id if envelope else salvage_id(frame)
            return Incoming(trace_id, request_id, envelope, error=error)

    async def serve(self, ctx: C, incoming: Incoming[C]) -> Answer | None:
        """Do what was read, or say why not. Raises nothing, as `handle`."""
        if incoming.envelope is None or incoming.route is None:
            return self.refuse(incoming, incoming.error or Internal())
        try:
            return await self._call(ctx, incoming.envelope, incoming.route, incoming.trace_id)
        except Exception as error:  # noqa: BLE001 - reason: the edge, the sender gets one error
            return self.refuse(incoming, error)

    def refuse(self, incoming: Incoming[C], error: Exception) -> Answer:
        """The error frame that answers a message; what is no `RoutingError` is only reported."""
        self._report(error, incoming.trace_id, incoming.envelope)
        try:
            return _refusal(incoming, error if isinstance(error, RoutingError) else Internal())
        except Exception as fault:  # noqa: BLE001 - reason: the edge, an error may be unwritable
            self._report(fault, incoming.trace_id, incoming.envelope)
            return _refusal(incoming, Internal())

    async def _call(
        self, ctx: C, envelope: Envelope, route: Route[C, Message], trace_id: str
    ) -> Answer | None:
        message = decode_payload(envelope.payload, route.message)
        request = Request(route.message.type, envelope.id, envelope.payload, trace_id)
        reply = await compose(self._middleware, route.handler)(ctx.for_request(request), message)
        if reply is None:
            return None
        _demand_message(reply, route)
        return Answer(encode_answer(reply, envelope.id), route.message.type)


def _refusal(incoming: Incoming[C], error: RoutingError) -> Answer:
    return Answer(
        encode_answer(error_payload(error, incoming.trace_id), incoming.id),
        incoming.envelope.type if incoming.envelope else None,
        error.code,
        isinstance(error, ProtocolError),
    )


def _demand_message(reply: object, route: Route[C, Message]) -> None:
    if not isinstance(reply, Message):
        raise TypeError(
            f"handler {route.name} returned {type(reply).__name__}; "
            "return a Message (the reply) or None (no reply)"
        )
