"""From frame to answer: at most one frame out for one frame in, and one word to the observers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from routing_core.envelope import (
    Envelope,
    decode_frame,
    encode_answer,
    error_payload,
    salvage_id,
)
from routing_core.errors import Internal, InvalidFrame, InvalidPayload, ProtocolError, RoutingError
from routing_core.forging import names_a_user
from routing_core.messages import Message, decode_payload
from routing_core.middleware import Middleware, Next, compose
from routing_core.observing import Observation, Observer, Outcome
from routing_core.router import Route, Router


class Request(msgspec.Struct, frozen=True):
    """The message being handled. `id` is the client's, `trace_id` stands in the server's log.

    `route` is the name of the route that serves it.
    """

    type: str
    id: str | None
    payload: bytes
    trace_id: str
    route: str = ""


class TakesRequest(Protocol):
    """A context that can be told which message it is for."""

    def for_request(self: "C", request: Request) -> "C":
        """The same context, for this message."""
        ...


C = TypeVar("C", bound=TakesRequest)


# Sends a frame; whether it could be sent. It must not wait.
Send: TypeAlias = Callable[[str], bool]


class Report(Protocol):
    """Told of every error, with the request as far as it was understood."""

    def __call__(self, error: Exception, trace_id: str, envelope: Envelope | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the core is given of the world: ids, the time in seconds, somebody to tell of errors."""

    new_trace_id: Callable[[], str]
    clock: Callable[[], float]
    report: Report


class Incoming(msgspec.Struct, Generic[C], frozen=True):
    """A frame that was read: the route that serves it, or the error that answers it.

    `call` is the route's handler with the middleware around it, `forged` whether the frame named a user.
    """

    trace_id: str
    id: str | None
    envelope: Envelope | None = None
    route: Route[C, Message] | None = None
    call: Next[C] | None = None
    error: Exception | None = None
    forged: bool = False

    @property
    def immediate(self) -> bool:
        """Whether it is answered before messages that came earlier."""
        return self.route is not None and self.route.message.immediate


class Answer(msgspec.Struct, frozen=True):
    """What came of a message: the frame to send, None where there is nothing to say.

    The dispatcher's `conclude` sends it. `error` is what the frame says, where it is one;
    `begun` when its turn came.
    """

    frame: str | None
    incoming: Incoming[Any]
    begun: float
    error: RoutingError | None = None
    forged: bool = False

    @property
    def protocol_error(self) -> bool:
        """Whether the client broke the protocol."""
        return isinstance(self.error, ProtocolError)


class Dispatcher(Generic[C]):
    """Reads a frame, finds its route, calls the handler, encodes what came of it.

    `current` gives the table of the moment, and is asked once a message. `middleware` stands around every
    handler, the first one outermost; `observers` are told of every message once it is over.
    """

    def __init__(
        self,
        current: Callable[[], Router[C]],
        surroundings: Surroundings,
        *,
        frame_bytes: int,
        middleware: Sequence[Middleware[C]] = (),
        observers: Sequence[Observer] = (),
    ) -> None:
        self._current = current
        self._new_trace_id = surroundings.new_trace_id
        self._clock = surroundings.clock
        self._report = surroundings.report
        self._frame_bytes = frame_bytes
        self._middleware = tuple(middleware)
        self._observers = tuple(observers)
        self._composed: tuple[Router[C] | None, dict[Route[C, Any], Next[C]]] = (None, {})

    async def handle(self, ctx: C, frame: str | bytes | None) -> Answer:
        """Answer one frame.

        Raises nothing but what is no `Exception`: what a handler raises becomes an error frame.
        """
        return await self.serve(ctx, self.read(ctx, frame))

    def read(self, ctx: C, frame: str | bytes | None) -> Incoming[C]:
        """Find out what a frame asks for, without doing it."""
        trace_id, envelope = self._new_trace_id(), None
        try:
            envelope = decode_frame(frame, self._frame_bytes)
            router = self._current()
            route = router.resolve(envelope.type, ctx)
            if route.message.needs_id and envelope.id is None:
                raise InvalidFrame(f"{route.message.type} needs an id.", field="id")
            call = self._call_of(router, route)
            return Incoming(trace_id, envelope.id, envelope, route, call)
        except Exception as error:  # noqa: BLE001 - reason: the edge, as in `serve`
            request_id = envelope.id if envelope else salvage_id(frame)
            forged = isinstance(error, InvalidFrame) and names_a_user(frame)
            return Incoming(trace_id, request_id, envelope, error=error, forged=forged)

    def _call_of(self, router: Router[C], route: Route[C, Any]) -> Next[C]:
        """The route's handler with the middleware around it, made once a table."""
        known, calls = self._composed
        if known is not router:
            calls = {}
            self._composed = (router, calls)
        call = calls.get(route)
        if call is None:
            call = calls[route] = compose(self._middleware, route.handler)
        return call

    async def serve(self, ctx: C, incoming: Incoming[C]) -> Answer:
        """Do what was read, or say why not. Raises nothing, as `handle`."""
        begun = self._clock()
        envelope, route, call = incoming.envelope, incoming.route, incoming.call
        if envelope is None or route is None or call is None:
            return self.refuse(incoming, incoming.error or Internal(), begun)
        try:
            message = decode_payload(envelope.payload, route.message)
            request = _request(incoming.trace_id, envelope, route)
            reply = await call(ctx.for_request(request), message)
            frame = None if reply is None else _encoded(reply, envelope.id, route)
            return Answer(frame, incoming, begun)
        except Exception as error:  # noqa: BLE001 - reason: the edge, the sender gets one error
            return self.refuse(incoming, error, begun)
        except BaseException:  # cancelled with its socket: nobody hears an answer
            self._tell(Answer(None, incoming, begun), Outcome.ABANDONED)
            raise

    def refuse(self, incoming: Incoming[C], error: Exception, begun: float | None = None) -> Answer:
        """The error frame that answers a message; what is no `RoutingError` is only reported."""
        self._report(error, incoming.trace_id, incoming.envelope)
        begun = self._clock() if begun is None else begun
        try:
            return _refusal(
                incoming, error if isinstance(error, RoutingError) else Internal(), begun
            )
        except Exception as fault:  # noqa: BLE001 - reason: the edge, an error may be unwritable
            self._report(fault, incoming.trace_id, incoming.envelope)
            return _refusal(incoming, Internal(), begun)

    def refuse_again(self, incoming: Incoming[C], error: RoutingError, trace_id: str) -> Answer:
        """As `refuse`, of what was reported under this trace id already: nothing more is."""
        return _refusal(replace(incoming, trace_id=trace_id), error, self._clock())

    def abandon(self, incoming: Incoming[C]) -> None:
        """A message that was read is not served: its socket has ended."""
        self._tell(Answer(None, incoming, self._clock()), Outcome.ABANDONED)

    def conclude(self, answer: Answer, send: Send) -> None:
        """Send the frame, if there is one: the message is over. Once an answer; raises what `send` raises.

        That the answer is sent here, and nowhere else, is why no message can be forgotten by the observers.
        """
        outcome = Outcome.UNSENT
        try:
            if answer.frame is None:
                outcome = Outcome.SILENT
            elif send(answer.frame):
                outcome = Outcome.ANSWERED if answer.error is None else Outcome.REFUSED
        finally:
            self._tell(answer, outcome)

    def _tell(self, answer: Answer, outcome: Outcome) -> None:
        incoming, route = answer.incoming, answer.incoming.route
        seen = Observation(
            type=route.message.type if route else None,
            route=route,
            outcome=outcome,
            error=answer.error,
            seconds=self._clock() - answer.begun,
            trace_id=incoming.trace_id,
            forged=answer.forged,
        )
        for observer in self._observers:
            try:
                observer(seen)
            except Exception as fault:  # noqa: BLE001 - reason: the edge, the client is answered already
                self._report(fault, incoming.trace_id, incoming.envelope)


def _refusal(incoming: Incoming[C], error: RoutingError, begun: float) -> Answer:
    frame = encode_answer(error_payload(error, incoming.trace_id), incoming.id)
    return Answer(frame, incoming, begun, error, incoming.forged or _forged(incoming, error))


def _forged(incoming: Incoming[C], error: RoutingError) -> bool:
    if incoming.envelope is None or not isinstance(error, InvalidPayload):
        return False
    known = incoming.route.message.__struct_fields__ if incoming.route else ()
    return names_a_user(incoming.envelope.payload, but=known)


def _request(trace_id: str, envelope: Envelope, route: Route[C, Message]) -> Request:
    return Request(route.message.type, envelope.id, envelope.payload, trace_id, route.name)


def _encoded(reply: object, request_id: str | None, route: Route[C, Message]) -> str:
    if not isinstance(reply, Message):
        raise TypeError(
            f"handler {route.name} returned {type(reply).__name__}; "
            "return a Message (the reply) or None (no reply)"
        )
    return encode_answer(reply, request_id)
