"""The events of a thread itself."""

from typing import ClassVar

import msgspec

from routing_core.messages import Message


class ThreadUpdated(Message, frozen=True):
    """A thread was created by itself, or has another title. Of two, the newer `updated_at` is true."""

    type: ClassVar[str] = "thread_updated"

    title: str
    updated_at: str


class Member(msgspec.Struct, frozen=True):
    """Someone in a thread: `role` is `owner` or `member`."""

    user_id: str
    name: str
    role: str


class MembersChanged(Message, frozen=True):
    """Somebody joined or left the thread; these are in it now. Whoever joined is told so by this too."""

    type: ClassVar[str] = "members_changed"

    members: list[Member]


class ThreadRemoved(Message, frozen=True):
    """The thread is out of one's sight: nothing more of it follows."""

    type: ClassVar[str] = "thread_removed"
