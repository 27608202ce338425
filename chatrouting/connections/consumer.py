"""The consumer: one socket of one signed-in person. It translates; it decides nothing."""

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils import timezone
from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars

from chatrouting import counters
from chatrouting.chat.context import Context
from chatrouting.chat.presence import greet
from chatrouting.conf import chat_settings
from chatrouting.connections.duties import Duties, to_its_end
from chatrouting.connections.handshakes import received
from chatrouting.connections.intake import Intake
from chatrouting.connections.live import live_connections
from chatrouting.connections.models import Connection
from chatrouting.connections.outlet import outlet
from chatrouting.connections.registry import Seen
from chatrouting.connections.sessions import Look, SignedIn, standings
from chatrouting.connections.silence import Silence
from chatrouting.connections.socket import Socket, State, TooSlow
from chatrouting.connections.turns import in_turns
from chatrouting.connections.welcome import asked_position, describe, welcome
from chatrouting.database import in_database
from chatrouting.stream.delivery import Delivery, ForeignEvent, PositionLost
from chatrouting.stream.doorbell import Dismissal, Signal
from chatrouting.stream.frames import Frame
from chatrouting.stream.listening import listeners
from chatrouting.stream.log import Record, Top
from chatrouting.stream.publishing import event_log
from routing_core.closing import CloseCode
from routing_core.dispatch import Dispatcher
from routing_core.envelope import encode_signal

logger = logging.getLogger(__name__)

CLEAN_UP_SECONDS = 8.0  # for each of its three parts
NO_CODE = 1005  # what a client's close without a code is called

# Why a delivery ended, where that is foreseen.
FORESEEN: tuple[tuple[type[Exception], CloseCode], ...] = (
    (PositionLost, CloseCode.POSITION_LOST),
    (TooSlow, CloseCode.TOO_SLOW),
    (ForeignEvent, CloseCode.SERVER_ERROR),
    (RedisError, CloseCode.SERVER_ERROR),
)


class ChatConsumer(AsyncWebsocketConsumer):
    """Brings frames to the dispatcher and a user's events to the socket.

    Channels would take each message through its layer's queue, two tasks and one process-wide thread:
    this one reads what the server hands it, and is told of events as they come (`stream.listening.Ear`).
    """

    hear: Callable[[Record, Frame], bool]  # the delivery's own: a call less for every event

    def __init__(self, *, dispatcher: Dispatcher[Context]) -> None:
        super().__init__()
        conf = chat_settings()
        self.dispatcher = dispatcher
        self.row = Connection(id=uuid.uuid4())
        silent = partial(self.end, CloseCode.NO_HEARTBEAT)
        self.silence = Silence(2 * conf.heartbeat_seconds, silent)
        self.age: asyncio.TimerHandle | None = None
        self.duties = Duties(self.row.pk)
        self.due: CloseCode | None = None
        self.reading: asyncio.Task[Any] | None = None
        self.over = False
        self.expires_at: datetime | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The socket's whole life. Whatever ends it, what it held is let go."""
        self.scope = scope
        self.socket = Socket(outlet(scope, send), send, chat_settings(), self._leave)
        try:
            await receive()
            await self._open()
            await self._read_all(in_turns(receive))
        except RedisError as error:  # foreseen: the client comes back, the log needs no traceback
            logger.warning("connection %s: Valkey does not answer: %s", self.row.pk, error)
            await self._fail()
        except Exception:  # the edge of the socket: it is told that the server failed, others go on
            logger.exception("connection %s failed", self.row.pk)
            await self._fail()
        finally:
            await to_its_end(self._clean_up())

    async def _open(self) -> None:
        """Sign in, listen, take a place in the stream, say welcome, begin to send."""
        found = await received(self.scope)
        if isinstance(found, CloseCode):
            await self.socket.accept()
            self.end(found)
            return
        self._know(found)
        self.delivery = Delivery(found.person.id, event_log(), self.socket, self._undelivered)
        self.hear = self.delivery.hear
        await listeners().join(found.person.id, self)
        recovered = await self.delivery.open(asked_position(self.scope["query_string"]))
        await self.socket.accept()
        refused = self.due or live_connections().refusal(self.row.address)
        if refused is not None:
            counters.connections_refused.labels(refused.name.lower()).inc()
            self.end(refused)
            return
        first = await live_connections().add(self)
        if self.socket.is_closed:  # told to end in the meantime
            return
        self._go_live()
        self._show(encode_signal(welcome(self.context, self.delivery, recovered)))
        self.delivery.start()
        self.duties.begin(greet(found.person.id, first=first, show=self._show))

    def _go_live(self) -> None:
        self.socket.go_live()
        self.silence.watch()
        age = chat_settings().connection_seconds * random.uniform(0.9, 1)  # noqa: S311 - reason: only spreads load
        self.age = asyncio.get_running_loop().call_later(age, self.end, CloseCode.MAXIMUM_AGE)

    async def _read_all(self, receive: Any) -> None:
        """Read frames until the other side is gone, or has had its time to hear our close."""
        try:
            self.reading = asyncio.current_task()
            while (message := await receive())["type"] != "websocket.disconnect":
                if self.socket.is_live:
                    await self._read(message)
            self.socket.gone(message.get("code") or NO_CODE)
        except asyncio.CancelledError:
            if not self.over:
                raise
        finally:
            self.reading = None

    async def _read(self, message: Any) -> None:
        """Take one frame; serving it never holds up a delivery."""
        self.silence.heard()
        self.row.seen_at = timezone.now()
        await self.intake.take(_frame(message))

    def hear_top(self, top: Top) -> None:
        """Where the user's stream ends."""
        self.delivery.hear_top(top)

    def hear_dismissal(self, dismissal: Dismissal) -> None:
        """Some of this user's sockets are to close; perhaps this one."""
        if dismissal.names(self.context.session_digest, self.context.connection_id):
            self.end(CloseCode(dismissal.code))

    def hear_check(self) -> None:
        """Something was done to this user's account. Looking must not hold up deliveries."""
        self.duties.begin(self._check())

    def hear_signal(self, signal: Signal, frame: Frame) -> None:
        """A frame that is not kept."""
        if self.socket.is_live and signal.except_connection != self.context.connection_id:
            self.socket.send(frame)

    async def _check(self) -> None:
        (standing,) = await in_database(standings, [self.look])
        self.stand(standing)

    def stand(self, standing: SignedIn | CloseCode) -> None:
        """How the session stands: good, and until when, or why the socket must close."""
        if isinstance(standing, SignedIn):
            self.expires_at = standing.expires_at
        else:
            self.end(standing)

    @property
    def look(self) -> Look:
        """What its session is looked at by."""
        return dict(self.scope["headers"]), self.context.user.id

    @property
    def seen(self) -> Seen:
        """What the socket did last, for the operator."""
        return Seen(self.row.seen_at, self.delivery.cursor.seq)

    @property
    def close_code(self) -> int:
        """Why it ended, once it has."""
        return self.socket.close_code

    def end(self, code: CloseCode) -> None:
        """Say bye and close, once. One that is not accepted yet ends as soon as it is."""
        if self.socket.state is State.CONNECTING:
            self.due = code
        elif self.socket.say_bye(code):
            self._leave()

    def _leave(self) -> None:
        """Nothing holds this socket any longer, however long the other side takes to hear of its end."""
        self.duties.begin(self._finish())
        self.duties.begin(self._let_go_all())

    async def _finish(self) -> None:
        await self.socket.finish()
        self.over = True
        if self.reading is not None:
            self.reading.cancel()

    def _know(self, found: SignedIn) -> None:
        describe(self.row, found, self.scope)
        self.expires_at = found.expires_at
        bind_contextvars(user_id=found.person.id, connection_id=str(self.row.pk))
        self.duties.know()
        self.context = Context(found.person, str(self.row.pk), found.digest, found.priority)
        too_many = partial(self.end, CloseCode.TOO_MANY_ERRORS)
        self.intake = Intake(
            self.dispatcher, self.context, self._show_answer, too_many, chat_settings()
        )

    def _show(self, text: str) -> bool:
        return self.socket.send(Frame(text.encode()))

    def _show_answer(self, text: str) -> bool:
        return self.socket.answer(Frame(text.encode()))

    def _undelivered(self, error: Exception) -> None:
        """The socket's way to its stream has ended."""
        self.duties.do(partial(self._give_up, error))

    def _give_up(self, error: Exception) -> None:
        for kind, code in FORESEEN:
            if isinstance(error, kind):
                logger.info("connection %s cannot go on: %r", self.row.pk, error)
                self.end(code)
                return
        logger.error("connection %s failed in delivery", self.row.pk, exc_info=error)
        self.end(CloseCode.SERVER_ERROR)

    async def _fail(self) -> None:
        try:
            if self.socket.state is State.CONNECTING:
                await self.socket.accept()
            self.end(CloseCode.SERVER_ERROR)
        except Exception:  # the edge of the edge: the socket may be gone as well
            logger.debug("connection %s could not be told", self.row.pk, exc_info=True)

    async def _clean_up(self) -> None:
        self.socket.gone()
        await self._let_go_all()
        # The farewell has a bound of its own, and cuts the connection then.
        await self._let_go(self.duties.done(), chat_settings().send_seconds)
        logger.debug("connection %s is over", self.row.pk)

    async def _let_go_all(self) -> None:
        """Leave everything that knows this socket: none waits for another. May be done twice."""
        self.silence.stop()
        if self.age is not None:
            self.age.cancel()
        if not hasattr(self, "delivery"):
            return
        await asyncio.gather(
            self._let_go(listeners().leave(self.context.user.id, self)),
            self._let_go(self.delivery.close()),
            self._let_go(live_connections().remove(self)),
        )
        await self.intake.close(CLEAN_UP_SECONDS)

    async def _let_go(self, work: Awaitable[Any], seconds_more: float = 0) -> None:
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS + seconds_more):
                await work
        except Exception:  # an edge: one part of the clean-up that fails must not keep the next
            logger.exception("connection %s was not cleaned up whole", self.row.pk)


def longest_clean_up() -> float:
    """Seconds that it takes at most to let go of a socket."""
    return 3 * CLEAN_UP_SECONDS + chat_settings().send_seconds


def _frame(message: Any) -> str | bytes | None:
    """What the client sent: text, or bytes where it was binary."""
    text: str | None = message.get("text")
    return message.get("bytes") if text is None else text
