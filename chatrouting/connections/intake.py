"""What comes in on one socket: answered at once, refused, or served in order of arrival."""

import asyncio
from collections.abc import Callable

from chatrouting.chat.context import Context
from chatrouting.conf import ChatSettings
from chatrouting.connections.admission import admit, turned_away
from chatrouting.connections.inbox import Inbox
from chatrouting.connections.refusals import Refusals, pause
from routing_core.dispatch import Answer, Dispatcher, Incoming, Send
from routing_core.errors import Overloaded
from routing_core.limits import ErrorBudget

UNANSWERED_RETRY_MS = 1_000


class Intake:
    """Frames of one socket. `send` takes the answers; `too_many` is called after too many protocol errors."""

    __slots__ = ("_ctx", "_dispatcher", "_errors", "_inbox", "_refusals", "_send", "_too_many")

    def __init__(
        self,
        dispatcher: Dispatcher[Context],
        ctx: Context,
        send: Send,
        too_many: Callable[[], None],
        conf: ChatSettings,
    ) -> None:
        self._dispatcher = dispatcher
        self._ctx = ctx
        self._send = send
        self._too_many = too_many
        self._refusals = Refusals(dispatcher)
        self._errors = ErrorBudget(conf.protocol_errors_per_minute)
        self._inbox = Inbox(self._answer, conf.in_flight)

    async def take(self, frame: str | bytes | None) -> None:
        """Take one frame. Serving it never holds up the next; only one too many does, for a while."""
        incoming = self._dispatcher.read(self._ctx, frame)
        if incoming.immediate:
            await self._answer(incoming)
            return
        refused = self._refused(incoming)
        if refused is not None:
            self._say(refused)
            await pause(self._ctx.user.id)

    async def close(self, seconds: float) -> None:
        """Let what was taken be answered, for so long at most."""
        for incoming in await self._inbox.close(seconds):
            self._dispatcher.abandon(incoming)
        self._refusals.close()

    def _refused(self, incoming: Incoming[Context]) -> Answer | None:
        """The refusal of what cannot even wait for its turn; None where it does now."""
        if self._inbox.is_idle:
            refused = turned_away(self._ctx, incoming, self._refusals)
            if refused is not None:
                return refused
        if self._inbox.put(incoming):
            return None
        error = Overloaded("Too many messages are unanswered.", retry_after_ms=UNANSWERED_RETRY_MS)
        return self._refusals.refuse(incoming, error)

    async def _answer(self, incoming: Incoming[Context]) -> None:
        self._say(await admit(self._dispatcher, self._ctx, incoming, self._refusals))

    def _say(self, answer: Answer) -> None:
        self._dispatcher.conclude(answer, self._send)
        if answer.protocol_error and not self._errors.spend(asyncio.get_running_loop().time()):
            self._too_many()
