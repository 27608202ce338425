"""Runs as a message makes them, and as a worker holds them."""

import uuid
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from chatrouting.agents import admission, claims, runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome, Priority
from chatrouting.stream.publishing import event_log
from chatrouting.testing.frames import Frame, read_frame
from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread, ThreadMember
from chatrouting.threads.rules import Person, add_question, new_thread
from routing_core.envelope import event_frame

DONE = runs.Ending(Outcome.SUCCESS, "answer")


def a_person() -> Person:
    """Somebody new."""
    made = make_person()
    return Person(made.user_id, made.name)


def a_thread(owner: Person | None = None) -> Thread:
    """A thread of somebody new, or of this person."""
    return new_thread(owner or a_person(), "title")


def owner_of(thread: Thread) -> Person:
    """Who the thread belongs to."""
    return Person(str(thread.owner_id), thread.owner.get_username())


def ask(
    thread: Thread,
    content: str = "hello",
    agent: str = "demo",
    *,
    by: Person | None = None,
    priority: Priority = Priority.MESSAGE,
) -> Run:
    """Say something in the thread, as its owner, or another member of it; the run that is to answer it."""
    author = by or owner_of(thread)
    ThreadMember.objects.get_or_create(thread=thread, user_id=author.id)
    with transaction.atomic():
        question = add_question(thread, author, content)
        return runs.accept(author.id, question, agent, priority)


def a_claimed_run(content: str = "hello", agent: str = "demo") -> Run:
    """A run of somebody new, held by a worker."""
    return claimed(ask(a_thread(), content, agent))


def an_untold_end(content: str = "hello", ending: runs.Ending = DONE) -> Run:
    """A run of somebody new that ended a while ago, and of whose end nobody was told."""
    ended = runs.end(a_claimed_run(content), ending)
    assert ended is not None, "the run had moved on"
    Run.objects.filter(pk=ended.run.pk).update(finished_at=timezone.now() - timedelta(days=2))
    return ended.run


def claimed(run: Run, worker: str = "") -> Run:
    """The run, as a worker that just took it has it."""
    taken = claims.claim(run.pk, worker or uuid.uuid4().hex)
    assert taken is not None, "the run was not free"
    return taken.run


def expire(run: Run) -> None:
    """Let the lease of whoever holds it run out."""
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def place_of(run: Run) -> int:
    """Its position among those that wait; 0 where it does not."""
    return next((place for place, _ in admission.placed([run])), 0)


def now_of(run: Run) -> Run:
    """The row as it stands."""
    return Run.objects.get(pk=run.pk)


async def events_of(run: Run) -> list[Frame]:
    """What the run's owner was told of it so far, as a socket gets it."""
    log, user_id = event_log(), str(run.user_id)
    epoch = (await log.read(user_id, "", 0)).epoch
    page = await log.read(user_id, epoch, 0, limit=5_000)
    frames = [read_frame(event_frame(record.body, record.seq).decode()) for record in page.records]
    return [frame for frame in frames if frame.get("run_id") == str(run.pk)]
