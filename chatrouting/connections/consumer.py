"""The consumer: one socket of one signed-in person. It translates; it decides nothing."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, ClassVar

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.utils import await_many_dispatch
from django.utils import timezone
from redis.exceptions import RedisError

from chatrouting import counters
from chatrouting.chat.context import Context
from chatrouting.conf import chat_settings
from chatrouting.connections.inbox import Inbox
from chatrouting.connections.live import live_connections
from chatrouting.connections.models import Connection
from chatrouting.connections.registry import Seen
from chatrouting.connections.sessions import SignedIn, revoked, signed_in
from chatrouting.connections.socket import Socket, State
from chatrouting.connections.welcome import asked_position, welcome
from chatrouting.database import in_database
from chatrouting.stream.delivery import Delivery, ForeignEvent, PositionLost
from chatrouting.stream.doorbell import (
    CHECK,
    DELIVER,
    DISMISS,
    channel_layer,
    dismissal_in,
    rung,
    user_group,
)
from chatrouting.stream.publishing import event_log
from routing_core.closing import CloseCode
from routing_core.dispatch import Answer, Dispatcher, Incoming
from routing_core.envelope import encode_signal
from routing_core.errors import Overloaded
from routing_core.limits import ErrorBudget

logger = logging.getLogger(__name__)

CLEAN_UP_SECONDS = 8.0
NO_CODE = 1005  # what a client's close without a code is called


class ChatConsumer(AsyncWebsocketConsumer):
    """Brings frames to the dispatcher and a user's events to the socket."""

    # Types of layer messages this consumer takes; a layer message never passes for a client's frame.
    from_layer: ClassVar[frozenset[str]] = frozenset({DELIVER, DISMISS, CHECK})

    def __init__(self, *, dispatcher: Dispatcher[Context]) -> None:
        super().__init__()
        conf = chat_settings()
        self.dispatcher = dispatcher
        self.row = Connection(id=uuid.uuid4())
        self.inbox = Inbox(self._answer, conf.in_flight)
        self.errors = ErrorBudget(conf.protocol_errors_per_minute)
        self.watch: asyncio.TimerHandle | None = None
        self.duties: set[asyncio.Task[None]] = set()
        self.heard_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The socket's whole life. Whatever ends it, what it held is let go."""
        self.scope, self.socket = scope, Socket(send)
        try:
            self.channel_layer = channel_layer()
            self.channel_name = await self.channel_layer.new_channel()
            await await_many_dispatch([receive, self._from_layer], self.dispatch)
        except StopConsumer:
            pass
        except (
            RedisError
        ) as error:  # foreseen: the client comes back, and the log needs no traceback
            logger.warning("connection %s: Valkey does not answer: %s", self.row.pk, error)
            await self._fail()
        except Exception:  # the edge of the socket: it is told that the server failed, others go on
            logger.exception("connection %s failed", self.row.pk)
            await self._fail()
        finally:
            await self._clean_up()

    async def dispatch(self, message: Any) -> None:
        """Channels would hop through one process-wide thread here for every message."""
        await self.steps[message["type"]](self, message)

    async def websocket_connect(self, message: Any) -> None:
        """Sign in, subscribe, take a place in the stream, say welcome, send what was missed."""
        found = await in_database(signed_in, dict(self.scope["headers"]))
        if found is None:
            counters.connections_refused.labels("session").inc()
            await self.socket.accept()
            await self.end(CloseCode.NO_SESSION)
            return
        self._know(found)
        await self.channel_layer.group_add(user_group(found.person.id), self.channel_name)
        self.delivery = Delivery(found.person.id, event_log(), self.socket.send)
        recovered = await self.delivery.open(asked_position(self.scope["query_string"]))
        await self.socket.accept()
        refused = live_connections().refusal()
        if refused is not None:
            await self.end(refused)
            return
        await live_connections().add(self)
        if self.socket.is_closed:  # the process began to drain in the meantime
            return
        self.socket.go_live()
        self.heard_at = _now()
        self._watch()
        await self.socket.send(encode_signal(welcome(self.context, self.delivery, recovered)))
        await self._delivering(self.delivery.replay())

    async def websocket_receive(self, message: Any) -> None:
        """Read one frame; serving it never holds up the next delivery."""
        if not self.socket.is_live:
            return
        self.heard_at, self.row.seen_at = _now(), timezone.now()
        text = message.get("text")
        frame = message.get("bytes") if text is None else text
        incoming = self.dispatcher.read(self.context, frame)
        if incoming.immediate:
            await self._answer(incoming)
        elif not self.inbox.put(incoming):
            refused = Overloaded("Too many messages are unanswered.", retry_after_ms=1_000)
            await self._say(self.dispatcher.refuse(incoming, refused))

    async def websocket_disconnect(self, message: Any) -> None:
        """The client is gone, or heard our close."""
        self.socket.gone(message.get("code") or NO_CODE)
        raise StopConsumer

    async def event_deliver(self, message: dict[str, Any]) -> None:
        """The bell: an event of this socket's user."""
        if self.socket.is_live:
            await self._delivering(self.delivery.deliver(rung(message)))

    async def socket_dismiss(self, message: dict[str, Any]) -> None:
        """Some of this user's sockets are to close; perhaps this one."""
        dismissal = dismissal_in(message)
        if dismissal.names(self.context.session_digest, self.context.connection_id):
            await self.end(CloseCode(dismissal.code))

    async def session_check(self, message: dict[str, Any]) -> None:
        """Something was done to this user's account. Looking must not hold up deliveries."""
        self._begin(self.check())

    async def check(self) -> None:
        """Close the socket where its session is no longer good."""
        headers = dict(self.scope["headers"])
        code = await in_database(revoked, headers, self.context.user.id)
        if code is not None:
            await self.end(code)

    steps: ClassVar[Mapping[str, Any]] = {
        "websocket.connect": websocket_connect,
        "websocket.receive": websocket_receive,
        "websocket.disconnect": websocket_disconnect,
        DELIVER: event_deliver,
        DISMISS: socket_dismiss,
        CHECK: session_check,
    }

    @property
    def seen(self) -> Seen:
        """What the socket did last, for the operator."""
        return Seen(self.row.seen_at, self.delivery.cursor.seq)

    @property
    def close_code(self) -> int:
        """Why it ended, once it has."""
        return self.socket.close_code

    async def end(self, code: CloseCode) -> None:
        """Say bye and close, once."""
        await self.socket.end(code)

    async def _from_layer(self) -> Any:
        while True:
            message: dict[str, Any] = await self.channel_layer.receive(self.channel_name)
            if message.get("type") in self.from_layer:
                return message
            logger.error("a layer message of type %r was dropped", message.get("type"))

    def _know(self, found: SignedIn) -> None:
        headers = dict(self.scope["headers"])
        client = self.scope.get("client") or (None, 0)
        self.row.user_id = found.person.id
        self.row.session_digest = found.digest
        self.row.address = client[0]
        self.row.user_agent = headers.get(b"user-agent", b"").decode("latin1")[:300]
        self.row.opened_at = self.row.seen_at = timezone.now()
        self.context = Context(found.person, str(self.row.pk), found.digest)

    async def _answer(self, incoming: Incoming[Context]) -> None:
        answer = await self.dispatcher.serve(self.context, incoming)
        if answer is not None:
            await self._say(answer)

    async def _say(self, answer: Answer) -> None:
        if answer.error is None:
            counters.messages_routed.labels(answer.type).inc()
        else:
            counters.messages_refused.labels(answer.error).inc()
        await self.socket.send(answer.frame)
        if answer.protocol_error and not self.errors.spend(_now()):
            await self.end(CloseCode.TOO_MANY_ERRORS)

    async def _delivering(self, work: Awaitable[None]) -> None:
        try:
            await work
        except PositionLost as error:
            logger.info("connection %s lost its position: %s", self.row.pk, error)
            await self.end(CloseCode.POSITION_LOST)
        except ForeignEvent:
            await self.end(CloseCode.SERVER_ERROR)

    def _watch(self) -> None:
        """Close the socket once it has been silent for two heartbeats."""
        silence = 2 * chat_settings().heartbeat_seconds - (_now() - self.heard_at)
        if silence > 0:
            self.watch = asyncio.get_running_loop().call_later(silence, self._watch)
        else:
            self._begin(self.end(CloseCode.NO_HEARTBEAT))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the deliveries. What it raises is seen in the clean-up."""
        duty = asyncio.create_task(work)
        self.duties.add(duty)
        duty.add_done_callback(self._finished)

    def _finished(self, duty: asyncio.Task[None]) -> None:
        if duty.cancelled() or duty.exception() is None:
            self.duties.discard(duty)

    async def _fail(self) -> None:
        try:
            if self.socket.state is State.CONNECTING:
                await self.socket.accept()
            await self.end(CloseCode.SERVER_ERROR)
        except Exception:  # the edge of the edge: the socket may be gone as well
            logger.debug("connection %s could not be told", self.row.pk, exc_info=True)

    async def _clean_up(self) -> None:
        self.socket.gone()
        if self.watch is not None:
            self.watch.cancel()
        if not hasattr(self, "context"):
            return
        await self._let_go(live_connections().remove(self))
        await self._let_go(
            self.channel_layer.group_discard(user_group(self.context.user.id), self.channel_name)
        )
        await self.inbox.close(CLEAN_UP_SECONDS)
        await self._let_go(asyncio.gather(*self.duties))

    async def _let_go(self, work: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                await work
        except Exception:  # an edge: one part of the clean-up that fails must not keep the next
            logger.exception("connection %s was not cleaned up whole", self.row.pk)


def _now() -> float:
    return asyncio.get_running_loop().time()
