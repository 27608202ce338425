"""The log: one append-only stream a user, gapless `seq` within an `epoch`.

The epoch belongs to the Valkey server that began it: after a restart or a failover, which may have lost
a tail, the next append or read begins another, so that no old position is ever served as whole.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from redis.exceptions import RedisError

from chatrouting.conf import ChatSettings
from chatrouting.stream.scripts import Call, Script
from chatrouting.stream.valkey import Valkey
from chatrouting.stream.wire import Argument

PAGE = 200
PAGE_BYTES = 512 * 1024
_LUA = Path(__file__).parent / "lua"


class Fenced(Exception):
    """A run's event was refused: another worker, or the run's end, has a higher fence."""


class TextLost(Exception):
    """Nothing was appended: the text that a piece was to be added to is not there; set it whole."""


class TextChange(StrEnum):
    """What an event does to the text of its run so far."""

    NONE = ""
    SET = "set"
    ADD = "add"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class RunMark:
    """What makes an event one of a run: it is refused under a stale `fence`, and counts once.

    `ordinal` numbers the events under one fence; an ordinal that was appended before is not again.
    `before`: how many bytes of text there must be already where some is added. `attempt`: whose text is set.
    """

    run_id: str
    fence: int
    ordinal: int | None = None
    change: TextChange = TextChange.NONE
    text: str = ""
    before: int = 0
    attempt: int = 0


class Membership(StrEnum):
    """What an event has to do with its user's place in the thread."""

    ANY = ""
    MEMBER = "member"
    LEAVE = "leave"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Append:
    """One event for one user's stream. `key` makes it count once within the receipts' time.

    After an event that makes its user `LEAVE` the thread, events for a `MEMBER` of it are not appended
    to that user's stream, whoever took them for a member; until one that makes them `JOIN` again.
    """

    user_id: str
    body: bytes
    key: str = ""
    mark: RunMark | None = None
    thread_id: str = ""
    membership: Membership = Membership.ANY

    @property
    def repeatable(self) -> bool:
        """Whether appending it again does nothing."""
        return bool(self.key) or (self.mark is not None and self.mark.ordinal is not None)


class Record(msgspec.Struct, frozen=True):
    """An event as it stands in a user's stream. `owner` is the user it was written for."""

    owner: str
    epoch: str
    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Bell:
    """How the append itself tells of an event: `head` comes before the body in what is published."""

    channel: str = ""
    head: bytes = b""


SILENT = Bell()


@dataclass(frozen=True, slots=True)
class Top:
    """Where a user's stream ends."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Page:
    """What follows a position: `whole` is False where it cannot be served, then `records` is empty."""

    epoch: str
    top: int
    whole: bool
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class RunText:
    """A run's text so far, true at `seq` of the stream it was read from. `attempt`: whose it is; 0: not known."""

    text: str
    seq: int
    attempt: int = 0


_APPEND = Script.read(_LUA / "append.lua")
_READ = Script.read(_LUA / "read.lua")


class EventLog:
    """Appends to users' streams and reads them. Raises redis-py's errors where Valkey does not answer."""

    def __init__(self, client: Valkey, conf: ChatSettings) -> None:
        self._client = client
        self._conf = conf

    async def append(
        self, appends: Sequence[Append], bell: Callable[[Append], Bell] = lambda append: SILENT
    ) -> list[Record | RedisError | None]:
        """Append all in one round trip, each whatever becomes of the others.

        Returns of each, in order, its record; None where its user has left the thread; why not where the
        user's stream is damaged. Raises `Fenced` where the fence of a run is stale, `TextLost` where its
        text is gone; either may hold for some of the users only.
        """
        calls = [self._append_call(append, bell(append)) for append in appends]
        found = await _APPEND.call_each(self._client, calls)
        return [_appended(append, answer) for append, answer in zip(appends, found, strict=True)]

    async def read(self, user_id: str, epoch: str, seq: int, limit: int = PAGE) -> Page:
        """The events after a position: `limit` at most, and no more once they are half a MiB."""
        calls = [self._read_call(user_id, epoch, seq, limit)]
        (answer,) = await _READ.call_all(self._client, calls)
        return _page(*answer)

    async def top(self, user_id: str) -> Top:
        """Where this user's stream ends."""
        page = await self.read(user_id, "", 0, limit=1)
        return Top(page.epoch, page.top)

    async def tops(self, user_ids: Sequence[str]) -> list[Top | None]:
        """Where these users' streams end, in one round trip; None of one that is damaged."""
        calls = [self._read_call(user_id, "", 0, 1) for user_id in user_ids]
        return [_top(answer) for answer in await _READ.call_each(self._client, calls)]

    async def run_text(self, user_id: str, run_id: str) -> RunText:
        """What an unfinished run has written, and the position in this user's stream it is true at."""
        run = key_of(user_id, f"run:{run_id}")
        *_, found = await self._client.call_all(
            [
                ("MULTI",),
                ("GET", key_of(user_id, f"text:{run_id}")),
                ("HMGET", run, "seq", "epoch", "attempt"),
                ("HGET", key_of(user_id, "meta"), "epoch"),
                ("EXEC",),
            ]
        )
        for answer in [found] if isinstance(found, RedisError) else found:
            if isinstance(answer, RedisError):
                raise answer
        text, (seq, epoch, attempt), current = found
        true_at = int(seq) if seq and epoch == current else 0
        return RunText((text or b"").decode(), true_at, int(attempt or 0))

    def _read_call(self, user_id: str, epoch: str, seq: int, limit: int) -> Call:
        keys = (key_of(user_id, "meta"), key_of(user_id, "stream"))
        keep = self._conf.position_seconds
        return keys, (epoch, seq, _new_epoch(), limit, keep, PAGE_BYTES)

    def _append_call(self, append: Append, bell: Bell) -> Call:
        mark, user_id, conf = append.mark, append.user_id, self._conf
        run_id = mark.run_id if mark else ""
        names = ("meta", "stream", f"key:{append.key}", f"run:{run_id}", f"text:{run_id}",
                 f"gone:{append.thread_id}")  # fmt: skip
        kept = (conf.stream_events, conf.stream_seconds, conf.position_seconds)
        once = conf.receipt_seconds if append.key else ""
        arguments = (append.body, user_id, _new_epoch(), *kept, once, *_marked(mark),
                     append.membership.value, bell.channel, bell.head,
                     mark.attempt if mark else 0)  # fmt: skip
        return tuple(key_of(user_id, name) for name in names), arguments


def _new_epoch() -> str:
    """A name for the case that a stream is begun. It need not be secret, and a system call costs more."""
    return f"{random.getrandbits(128):032x}"


def key_of(user_id: str, name: str) -> str:
    """All keys of a user carry one hash tag, so that a cluster keeps them together."""
    return f"{{u:{user_id}}}:{name}"


def _marked(mark: RunMark | None) -> tuple[Argument, ...]:
    if mark is None:
        return ("", "", "", "", 0)
    ordinal = "" if mark.ordinal is None else mark.ordinal
    return (mark.fence, ordinal, mark.change.value, mark.text, mark.before)


def _appended(
    append: Append, answer: tuple[int, bytes, int] | RedisError
) -> Record | RedisError | None:
    if isinstance(answer, RedisError):
        return answer
    seq, epoch, _again = answer
    if seq == -3:
        return None
    if seq < 0:
        raise (Fenced if seq == -1 else TextLost)(append.mark.run_id if append.mark else "")
    return Record(append.user_id, epoch.decode(), seq, append.body)


def _top(answer: Any) -> Top | None:
    if isinstance(answer, RedisError):
        return None
    page = _page(*answer)
    return Top(page.epoch, page.top)


def _page(epoch: bytes, top: int, whole: int, flat: Sequence[bytes]) -> Page:
    name = epoch.decode()
    records = tuple(
        Record(flat[index + 1].decode(), name, int(flat[index]), flat[index + 2])
        for index in range(0, len(flat), 3)
    )
    return Page(name, top, bool(whole), records)
