"""Reading threads, histories and runs: in pages that fit, and only one's own."""

import json
import uuid
from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone
from msgspec import UNSET

from chatrouting.agents import runs
from chatrouting.agents.models import Run
from chatrouting.agents.statuses import Outcome
from chatrouting.chat.messages import ListThreads, ThreadHistory
from chatrouting.chat.reading import list_threads, thread_history
from chatrouting.database import in_database
from chatrouting.threads.models import Thread, ThreadMember
from routing_core.envelope import encode_answer
from routing_core.errors import NotFound
from tests.agents.accepted import a_person, a_thread, ask, claimed, owner_of
from tests.chat.asking import a_context

FRAME_BYTES = 512 * 1024


def frame_bytes(reply):
    return len(encode_answer(reply, "id").encode())


async def threads_of(person, **fields):
    return await list_threads(a_context(person), ListThreads(**fields))


async def history_of(thread, person=None, **fields):
    asking = person or await in_database(lambda: owner_of(thread))
    return await thread_history(a_context(asking), ThreadHistory(thread_id=thread.pk, **fields))


def with_answers(*answers, question="question"):
    """A thread in which these were answered, one after another."""
    thread = a_thread()
    for answer in answers:
        run = claimed(ask(thread, question))
        assert runs.end(run, runs.Ending(Outcome.SUCCESS, answer)) is not None
    return thread


def some_threads(person, count):
    made = [a_thread(person) for _ in range(count)]
    for age, thread in enumerate(made):
        at = timezone.now() - timedelta(minutes=age)
        Thread.objects.filter(pk=thread.pk).update(updated_at=at)
    return [str(thread.pk) for thread in made]


async def test_threads_come_newest_first():
    person = await in_database(a_person)
    ids = await in_database(some_threads, person, 3)

    page = await threads_of(person)

    assert [each.thread_id for each in page.threads] == ids
    assert not page.more


async def test_all_threads_come_in_pages_once():
    person = await in_database(a_person)
    ids = await in_database(some_threads, person, 7)
    found, before = [], UNSET
    while True:
        page = await threads_of(person, limit=3, before=before)
        found += [each.thread_id for each in page.threads]
        if not page.more:
            break
        before = uuid.UUID(found[-1])

    assert found == ids


async def test_threads_of_the_same_moment_are_paged_without_loss():
    person = await in_database(a_person)
    ids = await in_database(some_threads, person, 5)
    now = timezone.now()
    await in_database(Thread.objects.filter(pk__in=ids).update, updated_at=now)
    found, before = [], UNSET
    for _ in range(5):
        page = await threads_of(person, limit=1, before=before)
        found += [each.thread_id for each in page.threads]
        before = uuid.UUID(found[-1])

    assert sorted(found) == sorted(ids)
    assert not page.more


async def test_a_thread_tells_its_active_run():
    person = await in_database(a_person)
    thread = await in_database(a_thread, person)
    run = await in_database(ask, thread)
    await in_database(ask, thread)

    (shown,) = (await threads_of(person)).threads

    assert (shown.title, shown.active_run_id) == ("title", str(run.pk))


async def test_a_quiet_thread_has_no_active_run():
    person = await in_database(a_person)
    await in_database(a_thread, person)

    assert (await threads_of(person)).threads[0].active_run_id is None


async def test_nobody_sees_the_threads_of_another():
    """Row 82."""
    person, other = await in_database(lambda: (a_person(), a_person()))
    await in_database(a_thread, other)

    assert (await threads_of(person)).threads == []


async def test_a_member_sees_the_thread():
    person, member = await in_database(lambda: (a_person(), a_person()))
    thread = await in_database(a_thread, person)
    await in_database(ThreadMember.objects.create, thread=thread, user_id=int(member.id))

    assert [each.thread_id for each in (await threads_of(member)).threads] == [str(thread.pk)]


async def test_anothers_thread_as_a_place_in_the_list_is_like_a_missing_one():
    """Row 80."""
    person, other = await in_database(lambda: (a_person(), a_person()))
    thread = await in_database(a_thread, other)

    with pytest.raises(NotFound) as anothers:
        await threads_of(person, before=thread.pk)
    with pytest.raises(NotFound) as missing:
        await threads_of(person, before=uuid.uuid4())

    assert str(anothers.value) == str(missing.value)


async def test_a_history_is_oldest_first_with_each_answer_after_its_question():
    thread = await in_database(with_answers, "one", "two")

    page = await history_of(thread)

    said = [(each.role, each.content) for each in page.messages]
    assert said == [("user", "question"), ("agent", "one"), ("user", "question"), ("agent", "two")]
    assert not page.more


async def test_a_message_names_its_author_its_run_and_how_that_ended():
    thread = await in_database(with_answers, "one")
    run = await in_database(Run.objects.get, thread=thread)

    question, answer = (await history_of(thread)).messages

    assert (question.run_id, answer.run_id) == (str(run.pk), str(run.pk))
    assert (question.author.user_id, answer.author.user_id) == (str(thread.owner_id), None)
    assert (answer.author.name, answer.outcome) == ("demo", "success")
    assert question.outcome is UNSET


async def test_a_field_that_does_not_apply_is_left_out():
    thread = await in_database(with_answers, "one")

    shown = json.loads(encode_answer(await history_of(thread), "id"))["payload"]["messages"]

    assert "outcome" not in shown[0]
    assert "truncated" not in shown[1]


async def test_a_whole_history_comes_in_pages_once():
    thread = await in_database(with_answers, *"abcde")
    found, before = [], UNSET
    while True:
        page = await history_of(thread, limit=3, before=before)
        found = [each.content for each in page.messages] + found
        if not page.more:
            break
        before = uuid.UUID(page.messages[0].message_id)

    assert found == [text for answer in "abcde" for text in ("question", answer)]


@pytest.mark.parametrize("letter", ["x", "😀", "\n", "\x01"])
async def test_a_long_history_fits_into_frames_and_comes_whole(letter):
    """No frame of the server is larger than 512 KiB, however its text is written in JSON."""
    answer = letter * (150_000 // len(letter.encode()))
    thread = await in_database(with_answers, *[answer] * 5)
    found, before = 0, UNSET
    while True:
        page = await history_of(thread, limit=100, before=before)
        assert frame_bytes(page) <= FRAME_BYTES
        found += len(page.messages)
        if not page.more:
            break
        before = uuid.UUID(page.messages[0].message_id)

    assert found == 10


@pytest.mark.parametrize("letter", ["x", "é", "😀", '"', "\x01"])
async def test_an_answer_too_long_for_a_frame_is_cut_and_says_so(letter):
    """An answer over 256 KiB stands in history cut, with truncated: true."""
    thread = await in_database(with_answers, letter * 300_000)

    page = await history_of(thread)

    answer = page.messages[-1]
    assert answer.truncated is True
    assert answer.content and set(answer.content) == {letter}
    assert frame_bytes(page) <= FRAME_BYTES


async def test_anothers_history_is_like_a_missing_one():
    """Row 80."""
    other = await in_database(a_person)
    thread = await in_database(with_answers, "one")

    with pytest.raises(NotFound) as anothers:
        await history_of(thread, other)
    with pytest.raises(NotFound) as missing:
        await thread_history(a_context(other), ThreadHistory(thread_id=uuid.uuid4()))

    assert str(anothers.value) == str(missing.value)


async def test_a_message_of_another_thread_is_no_place_in_this_one():
    """Row 80."""
    thread, other = await in_database(lambda: (with_answers("one"), with_answers("two")))
    theirs = await in_database(lambda: other.messages.first().pk)

    with pytest.raises(NotFound) as anothers:
        await history_of(thread, before=theirs)
    with pytest.raises(NotFound) as missing:
        await history_of(thread, before=uuid.uuid4())

    assert str(anothers.value) == str(missing.value)


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_one_to_a_hundred(limit):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"limit": limit}, ListThreads)
