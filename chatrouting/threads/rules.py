"""What may be done with threads. Plain functions on the ORM; callers hold the transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from chatrouting.rows import Keep, insert
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from routing_core.errors import NotFound, PermissionDenied

TITLE_CHARACTERS = 60
UNTITLED = "New thread"
MADE_VERSION = 1  # of the title of a thread that was made, where anybody is to be told it; else 0
PLACES = 2  # of a question and its answer


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who says something. `id` is the user's primary key as text."""

    id: str
    name: str


def title_of(content: str) -> str:
    """A thread's first title: the first line of what was said first."""
    line = content.strip().splitlines()[0].strip()
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"


def one_line(title: str) -> str:
    """A title as it is kept: white space in it, line ends too, is single spaces."""
    return " ".join(title.split())


def new_thread(
    owner: Person, title: str, *, title_version: int = 0, asked: int = 0, keep: Keep = insert
) -> Thread:
    """A thread with its owner as the only member. `title_version` 1: they are to be told its title.

    `asked`: how many questions it begins with, which the caller adds.
    """
    thread = Thread(
        owner_id=owner.id,
        title=title,
        title_version=title_version,
        last_position=asked * PLACES,
        updated_at=timezone.now(),
    )
    keep(thread)
    keep(ThreadMember(thread=thread, user_id=owner.id, role=ThreadMember.Role.OWNER))
    return thread


def seen_by(user_id: str, at: str = "") -> Q:
    """The condition on threads that this user is a member of, and that are not deleted.

    `at` leads from what is filtered to its thread: `thread__`.
    """
    return Q((f"{at}members__user_id", user_id), (f"{at}deleted_at", None))


def thread_of(user_id: str, thread_id: UUID) -> Thread:
    """The thread, where this user is a member.

    Raises `NotFound`: another's, a deleted and a missing one alike.
    """
    thread = Thread.objects.filter(seen_by(user_id), pk=thread_id).first()
    if thread is None:
        raise _no_thread()
    return thread


def _no_thread() -> NotFound:
    return NotFound("There is no such thread.")


def owned_thread(user_id: str, thread_id: UUID) -> Thread:
    """The thread, where it is this user's own.

    Raises `NotFound` where they are no member of it, and `PermissionDenied` where they are only that.
    """
    thread = thread_of(user_id, thread_id)
    if str(thread.owner_id) != user_id:
        raise PermissionDenied
    return thread


def rename(thread: Thread, title: str) -> None:
    """Give the thread a title, of which its members are to be told. Raises `NotFound` where it was deleted."""
    there = Thread.objects.filter(pk=thread.pk, deleted_at=None)
    if not there.update(
        title=title, title_version=F("title_version") + 1, updated_at=timezone.now()
    ):
        raise _no_thread()
    thread.refresh_from_db(fields=["title", "title_version", "updated_at"])


def delete(thread: Thread) -> None:
    """From now on the thread is there for nobody. Its rows stay until that is told. Raises `NotFound`."""
    thread.updated_at = thread.deleted_at = timezone.now()
    there = Thread.objects.filter(pk=thread.pk, deleted_at=None)
    if not there.update(updated_at=thread.updated_at, deleted_at=thread.deleted_at):
        raise _no_thread()


def name_after(thread: Thread, content: str) -> bool:
    """Name a thread that was made without a title after what is said in it. Whether it was one.

    Whoever renames a thread to what an untitled one is called means it.
    """
    if thread.title != UNTITLED or thread.title_version > MADE_VERSION:
        return False
    untitled = Thread.objects.filter(pk=thread.pk, title=UNTITLED)
    named = untitled.update(title=title_of(content), title_version=F("title_version") + 1)
    return bool(named)


def member_ids(thread_id: UUID) -> list[str]:
    """The user ids of the thread's members."""
    found = ThreadMember.objects.filter(thread_id=thread_id).values_list("user_id", flat=True)
    return [str(user_id) for user_id in found.order_by("user_id")]


def members_of(thread_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The user ids of the members of each of these threads."""
    found = ThreadMember.objects.filter(thread_id__in=list(thread_ids)).order_by("user_id")
    members: dict[UUID, list[str]] = {}
    for thread_id, user_id in found.values_list("thread_id", "user_id"):
        members.setdefault(thread_id, []).append(str(user_id))
    return members


def begin_thread(
    owner: Person, content: str, client_id: str = "", keep: Keep = insert
) -> ThreadMessage:
    """A question in a thread of its own, which is named after it. Until the commit nobody else knows of either."""
    thread = new_thread(owner, title_of(content), asked=1, keep=keep)
    question = _question(thread, owner, content, client_id)
    keep(question)
    return question


def add_question(
    thread: Thread, author: Person, content: str, client_id: str = "", keep: Keep = insert
) -> ThreadMessage:
    """Append what a person said, leaving the place after it for the answer.

    The update locks the thread's row, so that what follows in the transaction is alone with it.
    Raises `NotFound` where the thread was deleted, or its author is no member any more.
    """
    there = Thread.objects.filter(pk=thread.pk, deleted_at=None)
    if not there.update(last_position=F("last_position") + PLACES, updated_at=timezone.now()):
        raise _no_thread()
    question = _question(thread_of(author.id, thread.pk), author, content, client_id)
    keep(question)
    return question


def _question(thread: Thread, author: Person, content: str, client_id: str) -> ThreadMessage:
    """What was said last in the thread, as it stands now."""
    return ThreadMessage(
        thread=thread,
        position=thread.last_position - PLACES + 1,
        role=ThreadMessage.Role.USER,
        author_id=author.id,
        author_name=author.name,
        content=content,
        client_id=client_id,
        created_at=thread.updated_at,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent wrote, to be kept under the id announced when it began."""

    message_id: UUID
    agent: str
    content: str


def answered_in(thread_id: UUID, at: datetime) -> bool:
    """Note that an answer is added to the thread, and be alone with its row. False where it was deleted."""
    if Thread.objects.filter(pk=thread_id, deleted_at=None).update(updated_at=at):
        return True
    Thread.objects.select_for_update(no_key=True).filter(pk=thread_id).first()
    return False


def add_answer(question: ThreadMessage, answer: Answer, at: datetime) -> ThreadMessage:
    """Put the answer in the place directly after its question. The caller has called `answered_in`."""
    return ThreadMessage.objects.create(
        id=answer.message_id,
        thread_id=question.thread_id,
        position=question.position + 1,
        role=ThreadMessage.Role.AGENT,
        author_name=answer.agent,
        content=answer.content,
        created_at=at,
    )
