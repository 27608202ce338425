"""The sockets of this process, and the task that keeps their rows in the database true."""

import asyncio
import functools
import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from contextvars import Context
from typing import Protocol
from uuid import UUID

from django.db import IntegrityError

from chatrouting import counters
from chatrouting.agents.stopping import end_unheeded
from chatrouting.batches import Batches
from chatrouting.chat.presence import tell_gone
from chatrouting.conf import chat_settings
from chatrouting.connections import registry
from chatrouting.connections.models import Connection
from chatrouting.connections.sweep import Sweep, Watched
from chatrouting.database import in_database
from chatrouting.outages import log_failure
from chatrouting.rows import REFUSALS
from chatrouting.stream.delivery import Delivery
from chatrouting.stream.doorbell import Dismissal, ring_dismissal
from routing_core.closing import CloseCode

logger = logging.getLogger(__name__)

DRAIN_GRACE_SECONDS = 2.0
ROW_SECONDS = 5.0  # for the row of a socket that ended; then it is left to the next heartbeat


class LiveConnection(Watched, Protocol):
    """A socket, as far as this process's list of them needs to know it."""

    @property
    def row(self) -> Connection:
        """What the operator sees of it."""
        ...

    @property
    def seen(self) -> registry.Seen:
        """What it did last."""
        ...

    @property
    def close_code(self) -> int:
        """Why it ended, once it has."""
        ...

    @property
    def delivery(self) -> Delivery:
        """Its way to its user's stream."""
        ...

    def end(self, code: CloseCode) -> None:
        """Say bye and close it."""
        ...


class LiveConnections:
    """The open sockets of this process. The process is in the database while it has any."""

    def __init__(self) -> None:
        self.draining = False
        self._open: dict[UUID, LiveConnection] = {}
        self._addresses: Counter[str] = Counter()
        self._told: dict[UUID, registry.Seen] = {}
        self._openings: Batches[Connection, registry.Opened | Exception] = Batches(
            self._write, seconds=chat_settings().database_seconds
        )
        self._closings: Batches[UUID, None] = Batches(_close, registry.BATCH)
        self._in_doubt = False  # whether there may be rows of sockets that are not open
        self._process: asyncio.Task[UUID] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._sweep = Sweep(self._open.values)
        self._sweeper: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._open)

    def find(self, connection_id: str) -> LiveConnection | None:
        """The socket of that id, where it is open in this process."""
        return self._open.get(UUID(connection_id))

    def refusal(self, address: str | None) -> CloseCode | None:
        """Why this process takes no further socket from this address; None where it does.

        Sockets without an address, which came by a unix socket, share none.
        """
        if self.draining:
            return CloseCode.DRAINING
        conf = chat_settings()
        if len(self) >= conf.connections_per_process:
            return CloseCode.OVER_CAPACITY
        if address and self._addresses[address] >= conf.connections_per_address:
            return CloseCode.OVER_CAPACITY
        return None

    async def add(self, connection: LiveConnection) -> bool:
        """Take a socket in; its row is written when this returns. Whether its user came online with it."""
        self._open[connection.row.pk] = connection
        self._told[connection.row.pk] = connection.seen
        self._sweep.note(connection)
        self._addresses[connection.row.address or ""] += 1
        self._empty.clear()
        counters.connections_opened.inc()
        counters.connections_active.inc()
        connection.row.process_id = await self._process_id()
        opened = await self._written(connection)
        if opened.over:
            dismissal = Dismissal(CloseCode.REPLACED, connection_ids=opened.over)
            await ring_dismissal(str(connection.row.user_id), dismissal)
        return opened.first

    async def _written(self, connection: LiveConnection) -> registry.Opened:
        """Write its row, where need be with those of this process: others may have taken it for dead."""
        opened = await self._openings.call(_row(connection))
        if isinstance(opened, IntegrityError) and connection.row.pk in self._open:
            await self._register_again(connection.row.process_id)
            opened = await self._openings.call(_row(connection))
        if isinstance(opened, registry.Opened):
            return opened
        if (
            opened is None or connection.row.pk not in self._open
        ):  # nor is there anybody left to tell of
            return registry.Opened((), first=False)
        raise opened

    def _write(self, rows: Sequence[Connection]) -> dict[Connection, registry.Opened | Exception]:
        """What came of each. One that the database refuses keeps no others back.

        In a thread, which goes on where nobody waits any more: sockets may be let go before it ends.
        """
        try:
            return dict(registry.open_connections(rows))
        except REFUSALS as error:
            half = len(rows) // 2
            return self._write(rows[:half]) | self._write(rows[half:]) if half else {rows[0]: error}
        finally:
            if any(row.pk not in self._open for row in rows):
                self._in_doubt = True

    async def remove(self, connection: LiveConnection) -> None:
        """Let a socket go. Does nothing where it was never taken in, or is gone already.

        Its row is gone when this returns, or with a heartbeat that follows where the database is away or slow.
        """
        if self._open.pop(connection.row.pk, None) is None:
            return
        self._told.pop(connection.row.pk, None)
        self._address_left(connection.row.address or "")
        counters.connections_active.dec()
        counters.connections_closed.labels(int(connection.close_code)).inc()
        if not self._open:
            self._empty.set()
        await self._remove_row(connection.row.pk)

    async def _remove_row(self, key: UUID) -> None:
        removed = False
        try:
            async with asyncio.timeout(ROW_SECONDS):
                await self._closings.call(key)
            removed = True
        except Exception as error:  # noqa: BLE001 - reason: an edge: what fails here is made up for
            logger.debug("the row of connection %s is left to a heartbeat: %r", key, error)
        finally:
            if not removed:
                self._in_doubt = True

    def _address_left(self, address: str) -> None:
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    async def drain(self, seconds: float) -> None:
        """Close every socket with `bye` 4200, spread over so many seconds, and wait for their clean-up."""
        self.draining = True
        leaving = list(self._open.values())
        pause = seconds / max(len(leaving), 1)
        for connection in leaving:
            connection.end(CloseCode.DRAINING)
            await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(DRAIN_GRACE_SECONDS):
                await self._empty.wait()
        except TimeoutError:
            logger.warning("%d sockets did not end in time", len(self._open))
        await self._end_process()

    async def _process_id(self) -> UUID:
        """The row of this process, written on first use; one call for many who ask at once."""
        if self._process is None or (self._process.done() and self._process.exception()):
            beginning = in_database(registry.begin_process)
            self._process = asyncio.create_task(beginning, context=Context())
        process_id = await asyncio.shield(self._process)
        if self._keeper is None or self._keeper.done():
            self._keeper = asyncio.create_task(
                self._keep(process_id), name="connection registry", context=Context()
            )
            self._sweeper = asyncio.create_task(
                self._sweep.run(), name="session sweep", context=Context()
            )
        return process_id

    async def _keep(self, process_id: UUID) -> None:
        """Heartbeat of the process, positions of its sockets, sweep of the dead. Ends on drain."""
        while True:
            await asyncio.sleep(chat_settings().process_heartbeat_seconds)
            try:
                await self._keep_once(process_id)
            except Exception as error:  # noqa: BLE001 - reason: an edge: a database that is away must not end the heartbeat
                log_failure(logger, "the connection registry could not be written", error)

    async def _keep_once(self, process_id: UUID) -> None:
        changed = self._changed()
        if not await in_database(registry.keep_alive, process_id, changed):
            await self._register_again(process_id)
        for key in changed.keys() & self._told.keys():
            del self._told[key]  # to the end of the line
            self._told[key] = changed[key]
        await self._remove_left_rows(process_id)
        await in_database(registry.sweep_dead)
        await tell_gone(await in_database(registry.sweep_gone))
        await end_unheeded()

    def _changed(self) -> dict[UUID, registry.Seen]:
        """What there is to tell: of those that were told longest ago, as many as one write takes."""
        news = ((key, self._open[key].seen, told) for key, told in self._told.items())
        changed = ((key, seen) for key, seen, told in news if seen != told)
        return dict(itertools.islice(changed, registry.BATCH))

    async def _register_again(self, process_id: UUID) -> None:
        """Others took this process for dead, as after a long pause: its sockets are told anew."""
        logger.warning("this process was swept; it registers again")
        rows = [_row(connection) for connection in self._open.values()]
        await in_database(self._restore, process_id, rows)

    def _restore(self, process_id: UUID, rows: list[Connection]) -> None:
        """In a thread: meanwhile any of the sockets may be let go."""
        try:
            registry.restore_process(process_id, rows)
        finally:
            self._in_doubt = True

    async def _remove_left_rows(self, process_id: UUID) -> None:
        """Make up for what failed, or came too late, when sockets were let go."""
        if not self._in_doubt:
            return
        self._in_doubt = False  # before the look, so that a doubt that comes meanwhile stays
        try:
            left = await in_database(registry.close_all_but, process_id, self._open)
        except BaseException:
            self._in_doubt = True
            raise
        if left:
            logger.warning("%d sockets that are gone were still in the database", left)

    async def _end_process(self) -> None:
        duties = [task for task in (self._keeper, self._sweeper) if task is not None]
        for task in duties:
            task.cancel()
        await asyncio.gather(*duties, return_exceptions=True)
        if self._process is not None:
            await in_database(registry.end_process, await self._process)


def _close(keys: Sequence[UUID]) -> None:
    registry.close_connections(keys)


def _row(connection: LiveConnection) -> Connection:
    """The row with what the socket did last."""
    connection.row.seen_at, connection.row.position = connection.seen.at, connection.seen.position
    return connection.row


@functools.cache
def live_connections() -> LiveConnections:
    """The sockets of this process."""
    return LiveConnections()
