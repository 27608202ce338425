"""What a person may do with a thread, and what is answered."""

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from routing_core.messages import Message

Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]


class CreateThread(Message, frozen=True):
    """Make an empty thread. Without a title it is named after what is said in it first."""

    type: ClassVar[str] = "create_thread"
    needs_id: ClassVar[bool] = True

    title: Title | UnsetType = UNSET


class ThreadCreated(Message, frozen=True):
    """The thread is there; all sockets of its owner are told by `thread_updated`."""

    type: ClassVar[str] = "thread_created"

    thread_id: str
    title: str
    updated_at: str
    duplicate: bool


class RenameThread(Message, frozen=True):
    """Give a thread of one's own another title. White space in it becomes single spaces."""

    type: ClassVar[str] = "rename_thread"

    thread_id: UUID
    title: Title


class ThreadRenamed(Message, frozen=True):
    """The thread has this title; its members are told by `thread_updated`."""

    type: ClassVar[str] = "thread_renamed"

    thread_id: str
    title: str
    updated_at: str


class DeleteThread(Message, frozen=True):
    """Delete a thread of one's own, with all that was said in it. Its runs are stopped."""

    type: ClassVar[str] = "delete_thread"

    thread_id: UUID


class ThreadDeleted(Message, frozen=True):
    """The thread is there for nobody any more; its members are told by `thread_removed`, last of all."""

    type: ClassVar[str] = "thread_deleted"

    thread_id: str
    title: str
    updated_at: str
