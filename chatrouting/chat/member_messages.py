"""What is said of the people in a thread: who they are, who is typing, who is online."""

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta

from chatrouting.threads.messages import Member
from routing_core.messages import Message

Username = Annotated[str, Meta(min_length=1, max_length=150)]


class AddMember(Message, frozen=True):
    """Let another person read and write a thread of one's own. Needs the permission to share."""

    type: ClassVar[str] = "add_member"
    needs_id: ClassVar[bool] = True

    thread_id: UUID
    username: Username


class RemoveMember(Message, frozen=True):
    """Remove a member from a thread of one's own, or leave another's."""

    type: ClassVar[str] = "remove_member"

    thread_id: UUID
    username: Username


class Members(Message, frozen=True):
    """Who is in the thread now, the owner first."""

    type: ClassVar[str] = "members"

    thread_id: str
    members: list[Member]
    duplicate: bool = False


class UserTyping(Message, frozen=True):
    """Say that one is typing in a thread, or no longer."""

    type: ClassVar[str] = "user_typing"

    thread_id: UUID
    is_typing: bool


class TypingNoted(Message, frozen=True):
    """The others are told, unless the server has too much to do."""

    type: ClassVar[str] = "typing_noted"


class Typing(Message, frozen=True):
    """Somebody is typing, or no longer. A client forgets it after 5 s."""

    type: ClassVar[str] = "typing"

    thread_id: str
    user_id: str
    name: str
    is_typing: bool


class PresenceShown(Message, frozen=True):
    """Somebody one shares a thread with is online, or no longer."""

    type: ClassVar[str] = "presence"

    user_id: str
    online: bool
