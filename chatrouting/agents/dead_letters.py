"""What failed for good, and what an operator makes of it: try it again, or let it rest."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from chatrouting.agents import runs
from chatrouting.agents.masking import storable
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.statuses import Priority, RunStatus
from chatrouting.conf import chat_settings
from chatrouting.stream.publishing import Refusals, StreamRefused
from chatrouting.threads.rules import Person, add_question, thread_of
from routing_core.errors import NotFound

Kind, State = DeadLetter.Kind, DeadLetter.State
UNDECIDED = (State.TRYING, State.DEAD)
FIRST_PAUSE_SECONDS = 4
LONGEST_PAUSE_SECONDS = 600


@transaction.atomic
def note_failure(kind: DeadLetter.Kind, run_id: UUID, error: BaseException) -> bool:
    """Count a publication that failed. True where that was the last try.

    Each pause is twice the one before it. Where its thread is deleted there is no other try: the rows go, and
    the members wait for that.
    """
    DeadLetter.objects.get_or_create(kind=kind, run_id=run_id, defaults={"state": State.TRYING})
    letters = DeadLetter.objects.select_for_update(of=("self",)).select_related("run__thread")
    letter = letters.get(kind=kind, run_id=run_id)
    letter.tries += 1
    letter.reason = storable(f"{type(error).__name__}: {error}")[:500]
    if isinstance(error, StreamRefused):
        letter.untold = error.user_ids
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (letter.tries - 1), LONGEST_PAUSE_SECONDS)
    letter.next_at = timezone.now() + timedelta(seconds=pause)
    given_up = letter.tries >= chat_settings().publication_tries
    dead = given_up or letter.run.thread.deleted_at is not None
    letter.state = State.DEAD if dead else State.TRYING
    letter.save()
    return dead


def untold(kind: DeadLetter.Kind, run_id: UUID) -> list[str] | None:
    """Whom a publication is still to be told, where it failed for some; None: everybody."""
    letter = DeadLetter.objects.filter(kind=kind, run_id=run_id)
    ids: list[str] | None = letter.values_list("untold", flat=True).first()
    return ids


def note_told(kind: DeadLetter.Kind, run_id: UUID, refusals: Refusals) -> None:
    """Everybody has been told but these, as far as it could be told at all."""
    DeadLetter.objects.filter(kind=kind, run_id=run_id).update(untold=list(refusals))


def note_success(kind: DeadLetter.Kind, run_id: UUID) -> None:
    """A publication came off: what an operator had replayed is noted, the rest is forgotten."""
    found = DeadLetter.objects.filter(kind=kind, run_id=run_id)
    found.filter(decided_by="").delete()
    found.update(state=State.REPLAYED)


@transaction.atomic
def replay(letter: DeadLetter, by: str) -> Run | None:
    """Try it again: a publication as it is, a run as a new run of its question, which is returned.

    Raises `ValueError` where the letter was decided before, `NotFound` where the run's user has left the
    thread, `Busy` where too many wait there.
    """
    if letter.kind == Kind.RUN:
        _decide(letter, State.REPLAYED, by)
        return ask_again(letter.run)
    _decide(letter, State.TRYING, by)
    DeadLetter.objects.filter(pk=letter.pk).update(tries=0, next_at=timezone.now())
    return None


def discard(letter: DeadLetter, by: str) -> None:
    """Let it rest. Raises `ValueError` where the letter was decided before."""
    _decide(letter, State.DISCARDED, by)


@transaction.atomic
def ask_again(run: Run) -> Run:
    """Say the question of a run that has ended once more, in its author's name; the run of that.

    The one that ended stays as it is: a run has one end. Workers announce and begin the new one. Raises
    `ValueError` where the run has not ended, `NotFound` where its user is not of the thread any more, and
    `Busy` where too many wait.
    """
    if run.status != RunStatus.COMPLETED:
        raise ValueError("The run has not ended.")
    asked = run.question
    if run.user_id is None or asked.author_id is None:
        raise NotFound("Who asked is not there any more.")
    thread = thread_of(str(run.user_id), run.thread_id)
    author = Person(str(asked.author_id), asked.author_name)
    question = add_question(thread, author, asked.content)
    return runs.accept(str(run.user_id), question, run.agent, Priority(run.priority))


def _decide(letter: DeadLetter, state: DeadLetter.State, by: str) -> None:
    undecided = DeadLetter.objects.filter(pk=letter.pk, state__in=UNDECIDED)
    if not undecided.update(state=state, decided_at=timezone.now(), decided_by=by):
        raise ValueError("The letter was decided before.")
