"""Messages that share a transaction: what becomes of each is what would if it came alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatrouting.agents.models import Run
from chatrouting.chat import conversation
from chatrouting.chat.messages import UserMessage
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from chatrouting.threads.rules import Person, delete
from routing_core.errors import NotFound, RoutingError
from tests.agents.accepted import a_person, a_thread
from tests.chat.asking import a_context
from tests.chat.circle import a_thread_of, someone
from tests.chat.together import said_together
from tests.writing import only_together, together

HELLO = UserMessage(content="hello")


async def test_a_message_that_comes_twice_at_the_same_time_is_accepted_once():
    """Row 23."""
    person, another = await someone(), a_context(await someone())
    twice = a_context(person)

    first, again, other = await said_together((twice, HELLO), (twice, HELLO), (another, HELLO))

    assert sorted(reply.duplicate for reply in (first, again)) == [False, True]
    assert {first.message_id} == {again.message_id} != {other.message_id}
    threads = Thread.objects.filter(owner_id=person.id)
    assert await in_database(threads.count) == 1


async def test_a_repeated_message_gets_its_answer_among_others():
    repeated, another = a_context(await someone()), a_context(await someone())
    (before,) = await said_together((repeated, HELLO))

    again, other = await said_together((repeated, HELLO), (another, HELLO))

    assert again == msgspec.structs.replace(before, duplicate=True)
    assert not other.duplicate


async def test_a_repeated_message_gets_its_answer_though_it_would_be_refused_by_now():
    person = await someone()
    thread, repeated = await a_thread_of(person), a_context(person)
    asked = UserMessage(content="hello", thread_id=thread.pk)
    (before,) = await said_together((repeated, asked))
    await in_database(delete, thread)

    again, new = await said_together((repeated, asked), (a_context(person), asked))

    assert again == msgspec.structs.replace(before, duplicate=True)
    assert isinstance(new, NotFound)


async def test_no_more_runs_of_one_person_begin_than_are_allowed():
    """Row 47."""
    person, allowed = await someone(), chat_settings().runs_per_user

    said = await said_together(*((a_context(person), HELLO) for _ in range(allowed + 2)))

    assert sorted(reply.status for reply in said) == ["queued"] * 2 + ["running"] * allowed


@only_together
async def test_what_two_say_in_one_thread_is_not_done_twice(monkeypatch):
    """The second is told apart from the first before the database has to."""
    owner, guest = await someone(), await someone()
    thread, done = await a_thread_of(owner, guest), []
    accept = conversation._accept
    monkeypatch.setattr(conversation, "_accept", lambda *more: done.append(more) or accept(*more))
    asked = UserMessage(content="hello", thread_id=thread.pk)

    said = await said_together((a_context(owner), asked), (a_context(guest), asked))

    assert [reply.status for reply in said] == ["running", "queued"]
    assert len(done) == len(said)


@dataclass(frozen=True)
class Said:
    """One message: by whom, in which thread of theirs (None: a new one), under which id."""

    by: int
    thread: int | None
    on_busy: str
    id: int


@dataclass
class World:
    """Two people and the two threads they share."""

    people: list[Person] = field(default_factory=lambda: [a_person(), a_person()])
    threads: list[Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for owner, guest in (self.people, self.people[::-1]):
            self.threads.append(a_thread(owner))
            ThreadMember.objects.create(thread=self.threads[-1], user_id=guest.id)

    def asked(self, said: Said) -> tuple[Any, UserMessage]:
        content = f"{said.thread} {said.on_busy}"
        where = {} if said.thread is None else {"thread_id": self.threads[said.thread].pk}
        message = UserMessage(content=content, on_busy=said.on_busy, **where)
        return a_context(self.people[said.by], f"id-{said.id}"), message

    def shown(self) -> list[tuple[Any, ...]]:
        """What the database has of it, without names that differ from world to world."""
        ids = [int(person.id) for person in self.people]
        known = {thread.pk: number for number, thread in enumerate(self.threads)}
        found = Run.objects.filter(user_id__in=ids).select_related("question")
        messages = ThreadMessage.objects.filter(thread__owner_id__in=ids)
        return [("messages", messages.count()), *sorted(
            (str(known.get(run.thread_id)), run.question.position, run.turn, run.question.content,
             ids.index(run.user_id), run.status, run.cancel_requested_at is not None)
            for run in found
        )]  # fmt: skip


def outcomes(answers: list[Any]) -> list[Any]:
    """What each was told: a message is named by the first answer that tells of it."""
    first: dict[str, int] = {}
    return [
        str(each) if isinstance(each, BaseException)
        else (each.reply.status, each.reply.duplicate, first.setdefault(each.reply.message_id, number))
        for number, each in enumerate(answers)
    ]  # fmt: skip


def alone(*said: tuple[Any, UserMessage]) -> list[Any]:
    """Each in a transaction of its own, one after another."""

    def answered(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except RoutingError as error:
            return error

    return [answered(lambda each=each: conversation._accept(*each)) for each in said]


def accepting(said: tuple[Any, UserMessage]) -> tuple[Any, frozenset[str]]:
    """The work of one message, and what it touches."""
    return partial(conversation._accept, *said), conversation._touched_by(*said)


anything_said = st.builds(
    Said,
    st.integers(0, 1),
    st.none() | st.integers(0, 1),
    st.sampled_from(["queue", "queue", "queue", "reject", "interrupt"]),
    st.integers(0, 5),
)


FULL = [Said(0, None, "queue", number) for number in range(chat_settings().runs_per_user)]
CROWDED = [Said(0, 0, "queue", number) for number in range(chat_settings().queue_per_thread + 1)]
WAITING = [Said(by, 0, "queue", number) for number, by in enumerate((0, 1, 0))]


@only_together
@settings(max_examples=60, deadline=None)
@example([*FULL, Said(0, None, "reject", 9)])
@example([*CROWDED, Said(0, 0, "queue", 0)])
@example([*WAITING, Said(1, 0, "reject", 9)])
@example([*WAITING, Said(1, 0, "interrupt", 9)])
@given(st.lists(anything_said, min_size=2, max_size=10))
def test_together_they_come_to_what_they_would_come_to_one_after_another(said):
    apart, shared = World(), World()

    one_by_one = alone(*map(apart.asked, said))
    at_once = asyncio.run(together(*map(accepting, map(shared.asked, said))))

    assert outcomes(at_once) == outcomes(one_by_one)
    assert shared.shown() == apart.shown()
