"""What fails for good: tried again at growing pauses, then kept for an operator, in nobody's way."""

from datetime import timedelta

import pytest
from django.utils import timezone
from redis.exceptions import ConnectionError as NotConnected

from chatrouting.agents import dead_letters, ending, runs
from chatrouting.agents.models import DeadLetter, Run
from chatrouting.agents.statuses import Outcome
from chatrouting.chat import outbox
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from routing_core.errors import NotFound
from tests.agents.accepted import a_claimed_run, a_thread, an_untold_end, ask, now_of
from tests.agents.hosted import a_host, types_of

KIND, STATE = DeadLetter.Kind, DeadLetter.State
TRIES = chat_settings().publication_tries


def an_ended_run(outcome=Outcome.SUCCESS, content="answer"):
    """A run whose end nobody was told of, a while ago."""
    failed = runs.Failure("agent_failed", "It failed.") if outcome == Outcome.FAILED else None
    return an_untold_end(content, runs.Ending(outcome, "answer", failed))


def letter_of(run, kind=KIND.END):
    return DeadLetter.objects.filter(run=run, kind=kind).first()


def due_now(run):
    DeadLetter.objects.filter(run=run).update(next_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.LOST, Outcome.TIMEOUT])
def test_a_run_that_did_not_come_off_is_a_dead_letter(outcome):
    """Row 49: it ends completed or dead-lettered, none vanishes."""
    letter = letter_of(an_ended_run(outcome), KIND.RUN)

    assert (letter.state, letter.tries) == (STATE.DEAD, 1)


@pytest.mark.parametrize("outcome", [Outcome.SUCCESS, Outcome.CANCELLED])
def test_a_run_that_ended_as_it_should_is_none(outcome):
    assert letter_of(an_ended_run(outcome), KIND.RUN) is None


def test_a_run_is_replayed_as_a_new_run_of_its_question():
    """Row 50: the one that ended keeps its one end."""
    run = an_ended_run(Outcome.FAILED, "what?")

    again = dead_letters.replay(letter_of(run, KIND.RUN), "operator")

    assert (again.question.content, again.thread_id, again.status) == (
        "what?",
        run.thread_id,
        "running",
    )
    assert now_of(run).outcome == "failed"
    letter = letter_of(run, KIND.RUN)
    assert (letter.state, letter.decided_by) == (STATE.REPLAYED, "operator")


def test_a_letter_is_decided_once():
    letter = letter_of(an_ended_run(Outcome.FAILED), KIND.RUN)
    dead_letters.discard(letter, "operator")

    with pytest.raises(ValueError, match="decided before"):
        dead_letters.replay(letter, "operator")
    assert letter.run.thread.runs.count() == 1


def test_a_run_that_goes_on_is_not_asked_again():
    with pytest.raises(ValueError, match="has not ended"):
        dead_letters.ask_again(a_claimed_run())


def test_nothing_is_asked_again_for_someone_who_left_the_thread():
    run = an_ended_run(Outcome.FAILED)
    run.thread.members.all().delete()
    letter = letter_of(run, KIND.RUN)

    with pytest.raises(NotFound):
        dead_letters.replay(letter, "operator")
    assert letter_of(run, KIND.RUN).state == STATE.DEAD


def test_nothing_is_asked_again_for_someone_who_is_gone():
    run = an_ended_run(Outcome.FAILED)
    Run.objects.filter(pk=run.pk).update(user=None)

    with pytest.raises(NotFound, match="not there any more"):
        dead_letters.replay(letter_of(run, KIND.RUN), "operator")


def test_each_pause_is_longer_than_the_one_before():
    """Row 49: with growing delay, at most so many times."""
    run, pauses = an_ended_run(), []
    for _ in range(TRIES):
        dead = dead_letters.note_failure(KIND.END, run.pk, RuntimeError("no"))
        letter = letter_of(run)
        pauses.append((letter.next_at - timezone.now()).total_seconds())

    assert pauses == sorted(pauses) and pauses[1] > 1.5 * pauses[0]
    assert (dead, letter.state, letter.tries) == (True, STATE.DEAD, TRIES)
    assert letter.reason == "RuntimeError: no"


@pytest.fixture
def damaged(monkeypatch):
    """Ends of the runs put in here cannot be told."""
    ids = set()
    completed = ending._completed

    def told(run, content):
        if run.pk in ids:
            raise RuntimeError("damaged")
        return completed(run, content)

    monkeypatch.setattr(ending, "_completed", told)
    return ids


async def swept(*ends):
    async with a_host() as host:
        await host._sweep_once()


async def test_an_end_that_cannot_be_told_keeps_no_other_back(damaged):
    """Rows 49, 115: the other is told in the same round; the first is tried again later."""
    bad, good = await in_database(an_ended_run), await in_database(an_ended_run)
    damaged.add(bad.pk)

    await swept()
    await swept()

    assert (await types_of(bad), await types_of(good)) == ([], ["agent_completed"])
    letter = await in_database(letter_of, bad)
    assert (letter.state, letter.tries) == (STATE.TRYING, 1)


async def test_an_end_that_is_given_up_is_told_without_its_content_and_once(damaged):
    """Row 50: the user is told once; a replay says nothing twice."""
    run = await in_database(an_ended_run)
    damaged.add(run.pk)
    for _ in range(TRIES + 1):
        await swept()
        await in_database(due_now, run)
    assert await types_of(run) == ["agent_completed"]

    damaged.clear()
    await in_database(lambda: dead_letters.replay(letter_of(run), "operator"))
    await swept()

    assert await types_of(run) == ["agent_completed"]
    assert (await in_database(now_of, run)).end_published_at is not None
    assert (await in_database(letter_of, run)).state == STATE.REPLAYED


async def test_a_valkey_that_is_away_is_no_failure_of_an_end(monkeypatch):
    run = await in_database(an_ended_run)

    async def away(*_):
        raise NotConnected

    monkeypatch.setattr(ending, "publish_each", away)
    with pytest.raises(NotConnected):
        await ending.publish_late(run)

    assert await in_database(letter_of, run) is None


async def test_an_announcement_that_cannot_be_told_becomes_a_dead_letter(monkeypatch):
    """Row 49: it is not tried for ever."""
    run = await in_database(lambda: ask(a_thread()))
    question = await in_database(lambda: now_of(run).question)

    async def broken(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(outbox, "announce", broken)
    for _ in range(TRIES):
        with pytest.raises(RuntimeError):
            await outbox.announce_late(question)

    letter = await in_database(letter_of, run, KIND.MESSAGE)
    assert letter.state == STATE.DEAD
