"""The events of a thread itself."""

from typing import ClassVar

from routing_core.messages import Message


class ThreadUpdated(Message, frozen=True):
    """A thread was created by itself, or has another title. Of two, the newer `updated_at` is true."""

    type: ClassVar[str] = "thread_updated"

    title: str
    updated_at: str
