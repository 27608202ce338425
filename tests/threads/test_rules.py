"""Threads: their titles, who may read them, and the order of what is said."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chatrouting.testing.people import make_person
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage
from chatrouting.threads.rules import (
    TITLE_CHARACTERS,
    UNTITLED,
    Answer,
    Person,
    add_answer,
    add_question,
    answered_in,
    begin_thread,
    delete,
    member_ids,
    name_after,
    new_thread,
    one_line,
    owned_thread,
    rename,
    thread_of,
    title_of,
)
from routing_core.errors import NotFound, PermissionDenied


def a_person():
    made = make_person()
    return Person(made.user_id, made.name)


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("hello", "hello"),
        ("  hello  \nmore", "hello"),
        ("\n\n first line \r\nsecond", "first line"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("word " * 30, ("word " * 30)[:59].rstrip() + "…"),
    ],
)
def test_a_title_is_the_first_line_cut(content, title):
    assert title_of(content) == title


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_every_content_that_is_not_blank_has_a_title(content):
    title = title_of(content)

    assert 0 < len(title) <= TITLE_CHARACTERS
    assert len(title.splitlines()) == 1


def test_a_new_thread_has_its_owner_as_the_only_member():
    owner = a_person()

    thread = new_thread(owner, "title")

    assert list(thread.members.values_list("user_id", "role")) == [(int(owner.id), "owner")]
    assert member_ids(thread.pk) == [owner.id]


def test_the_members_of_a_thread_are_all_told():
    owner, other = a_person(), a_person()
    thread = new_thread(owner, "title")
    ThreadMember.objects.create(thread=thread, user_id=other.id)

    assert set(member_ids(thread.pk)) == {owner.id, other.id}


def test_a_member_finds_the_thread():
    owner = a_person()
    thread = new_thread(owner, "title")

    assert thread_of(owner.id, thread.pk) == thread


def test_anothers_thread_and_a_missing_one_look_the_same():
    """Row 80: another user's thread → not_found, as for a missing one."""
    owner, other = a_person(), a_person()
    thread = new_thread(owner, "title")

    with pytest.raises(NotFound) as anothers:
        thread_of(other.id, thread.pk)
    with pytest.raises(NotFound) as missing:
        thread_of(other.id, uuid.uuid4())

    assert vars(anothers.value) == vars(missing.value)
    assert str(anothers.value) == str(missing.value)


def test_only_the_owner_has_the_thread_as_their_own():
    owner, member = a_person(), a_person()
    thread = new_thread(owner, "title")
    ThreadMember.objects.create(thread=thread, user_id=member.id)

    assert owned_thread(owner.id, thread.pk) == thread
    with pytest.raises(PermissionDenied):
        owned_thread(member.id, thread.pk)
    with pytest.raises(NotFound):
        owned_thread(a_person().id, thread.pk)


@given(st.text(min_size=1).filter(lambda text: text.strip()))
def test_a_title_that_is_kept_is_one_line_that_is_not_blank(title):
    kept = one_line(title)

    assert kept == kept.strip() != ""
    assert len(kept.splitlines()) == 1


def test_nothing_is_said_to_a_thread_that_was_deleted_in_the_meantime():
    owner = a_person()
    thread = new_thread(owner, "title")
    read_before = thread_of(owner.id, thread.pk)
    delete(thread)

    for late in (
        lambda: add_question(read_before, owner, "late"),
        lambda: rename(read_before, "late"),
        lambda: delete(read_before),
        lambda: thread_of(owner.id, thread.pk),
    ):
        with pytest.raises(NotFound):
            late()
    assert not thread.messages.exists()


def test_who_was_removed_in_the_meantime_says_nothing_more():
    owner, guest = a_person(), a_person()
    thread = new_thread(owner, "title")
    ThreadMember.objects.create(thread=thread, user_id=guest.id)
    read_before = thread_of(guest.id, thread.pk)
    ThreadMember.objects.filter(thread=thread, user_id=guest.id).delete()

    with pytest.raises(NotFound), transaction.atomic():
        add_question(read_before, guest, "late")


def test_another_title_moves_the_thread_to_the_front_and_is_to_be_told():
    thread = new_thread(a_person(), "title")
    before = thread.updated_at

    rename(thread, "other")

    assert (thread.title, thread.title_version, thread.title_told) == ("other", 1, 0)
    assert thread.updated_at > before


def test_what_is_said_first_names_a_thread_without_a_title_alone():
    untitled, titled = new_thread(a_person(), UNTITLED), new_thread(a_person(), "title")

    assert [name_after(thread, "hello") for thread in (untitled, untitled, titled)] == [
        True, False, False,
    ]  # fmt: skip


def test_a_thread_that_is_renamed_to_what_an_untitled_one_is_called_keeps_that_name():
    thread = new_thread(a_person(), "title", title_version=1)
    rename(thread, UNTITLED)

    assert not name_after(thread, "hello")
    thread.refresh_from_db()
    assert thread.title == UNTITLED


def test_a_question_leaves_the_place_after_it_for_its_answer():
    owner = a_person()
    thread = new_thread(owner, "title")

    first = add_question(thread, owner, "one")
    second = add_question(thread, owner, "two")
    answer = add_answer(first, Answer(uuid.uuid4(), "demo", "said"), timezone.now())

    assert [first.position, answer.position, second.position] == [1, 2, 3]


def test_a_question_begins_a_thread_that_is_named_after_it_and_is_its_authors_alone():
    owner = a_person()

    question = begin_thread(owner, "one\nmore", "id-1")
    thread = thread_of(owner.id, question.thread_id)

    assert (thread.title, thread.updated_at) == ("one", question.created_at)
    assert (question.content, question.client_id) == ("one\nmore", "id-1")
    assert member_ids(thread.pk) == [owner.id]


def test_only_the_question_that_begins_a_thread_is_its_first():
    owner = a_person()

    first = begin_thread(owner, "one")
    second = add_question(first.thread, owner, "two")

    assert [first.position, second.position] == [1, 3]
    assert [first.is_first, second.is_first] == [True, False]


def test_an_answer_stands_after_its_question_however_late_it_comes():
    owner = a_person()
    thread = new_thread(owner, "title")
    questions = [add_question(thread, owner, text) for text in ("one", "two", "three")]

    for question in (questions[2], questions[0], questions[1]):
        answer = Answer(uuid.uuid4(), "demo", f"to {question.content}")
        add_answer(question, answer, timezone.now())

    said = thread.messages.order_by("position").values_list("content", flat=True)
    assert list(said) == ["one", "to one", "two", "to two", "three", "to three"]


def test_an_answer_has_the_id_that_was_announced():
    owner = a_person()
    question = add_question(new_thread(owner, "title"), owner, "one")
    message_id = uuid.uuid4()

    add_answer(question, Answer(message_id, "demo", "said"), timezone.now())

    answer = ThreadMessage.objects.get(pk=message_id)
    assert (answer.role, answer.author, answer.author_name) == ("agent", None, "demo")


def test_saying_something_moves_the_thread_to_the_front():
    owner = a_person()
    thread = new_thread(owner, "title")
    before = thread.updated_at

    add_question(thread, owner, "one")
    asked = thread_of(owner.id, thread.pk).updated_at
    answered_at = timezone.now()

    assert answered_in(thread.pk, answered_at)
    assert before < asked < answered_at
    assert thread_of(owner.id, thread.pk).updated_at == answered_at


def test_an_answer_does_not_move_a_deleted_thread():
    thread = new_thread(a_person(), "title")
    delete(thread)

    with transaction.atomic():
        assert not answered_in(thread.pk, timezone.now())
    assert Thread.objects.get(pk=thread.pk).updated_at == thread.updated_at


def test_questions_of_eight_threads_at_once_have_places_of_their_own():
    owner = a_person()
    thread = new_thread(owner, "title")

    def ask(number):
        try:
            with transaction.atomic():
                return add_question(thread_of(owner.id, thread.pk), owner, str(number)).position
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        places = list(threads.map(ask, range(24)))

    assert sorted(places) == list(range(1, 49, 2))
