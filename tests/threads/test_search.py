"""What was said is found by its words, by whoever sees its thread now and by nobody else."""

import importlib

import pytest
from django.db import connection, transaction
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatrouting.testing.people import make_person
from chatrouting.threads.membership import remove
from chatrouting.threads.models import ThreadMember, ThreadMessage
from chatrouting.threads.rules import Person, add_question, delete, new_thread
from chatrouting.threads.search import NAMED_THREADS, excerpt, find, words_of

migration = importlib.import_module("chatrouting.threads.migrations.0006_search")


def a_person():
    made = make_person()
    return Person(made.user_id, made.name)


def said(*contents, by=None):
    """Somebody, and the thread in which they said this."""
    owner = by or a_person()
    thread = new_thread(owner, "title")
    for content in contents:
        add_question(thread, owner, content)
    return owner, thread


def found(person, query, limit=10):
    return [message.content for message in find(person.id, query, limit)]


def test_all_words_of_the_query_must_occur():
    owner, _ = said("the cat sleeps", "the dog sleeps", "a cat and a dog")

    assert found(owner, "dog cat") == ["a cat and a dog"]
    assert found(owner, "cat sparrow") == []


def test_the_newest_comes_first_and_only_so_many():
    owner, _ = said("plan one", "plan two", "plan three")

    assert found(owner, "plan", limit=2) == ["plan three", "plan two"]


def test_the_last_word_may_be_a_beginning_and_no_other_may():
    owner, _ = said("yellow submarine")

    assert found(owner, "yellow subm") == ["yellow submarine"]
    assert found(owner, "yell submarine") == []


@pytest.mark.parametrize(
    ("content", "query"),
    [
        ("Die Straße nach Köln", "straße KÖLN"),
        ("Привет, мир", "мир привет"),
        ("これは試験です。東京", "東京"),
        ("हिन्दी में लिखा", "हिन्दी लिखा"),
        ("γειά σου Κόσμε", "κόσμε"),
        ("see https://example.com/some_path?x=1", "example path"),
        ("mail to ann@site.org, it costs 3.14", "site ann 3 14"),
        ("well-known e-mail isn't", "known isn"),
        ("thread and content: OR NOT", "thread OR content NOT"),
    ],
)
def test_words_of_any_language_are_found(content, query):
    owner, _ = said("something else", content)

    assert found(owner, query) == [content]


@pytest.mark.parametrize("query", ["", " ", '"', "*", "-", "!!!", "' OR 1=1 --", "\x00", "\ud800"])
def test_a_query_without_a_word_that_was_said_finds_nothing(query):
    owner, _ = said("hello")

    assert found(owner, query) == []


OPERATORS = [
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    '"',
    "'",
    "*",
    ":",
    "^",
    "&",
    "|",
    "!",
    "<->",
    "(",
    ")",
    "\\",
]


@given(st.text(max_size=60) | st.lists(st.sampled_from([*OPERATORS, "hello", "%s"])).map(" ".join))
@example("a" * 5_000)
@example("a " * 500)
@settings(max_examples=100, deadline=None)
def test_no_query_raises(services, query):
    assert find("1", query, 5) is not None


def test_anothers_words_are_never_found():
    """Row 80: a word of another's thread looks like one that nobody ever said."""
    said("xylophone")

    assert found(a_person(), "xylophone") == []


def test_a_member_finds_what_others_said_until_they_are_removed():
    owner, thread = said("quetzal")
    member = a_person()
    ThreadMember.objects.create(thread=thread, user_id=member.id)
    assert found(member, "quetzal") == ["quetzal"]

    with transaction.atomic():
        remove(owner.id, thread.pk, member.name)

    assert found(member, "quetzal") == []
    assert found(owner, "quetzal") == ["quetzal"]


def test_a_deleted_thread_is_not_searched():
    owner, thread = said("okapi")

    delete(thread)

    assert found(owner, "okapi") == []


def test_what_is_deleted_or_changed_leaves_the_index():
    owner, thread = said("first narwhal", "second narwhal", "third narwhal")
    ThreadMessage.objects.filter(content="second narwhal").delete()
    ThreadMessage.objects.filter(thread=thread, content="third narwhal").update(content="a whale")
    assert found(owner, "narwhal") == ["first narwhal"]
    assert found(owner, "whale") == ["a whale"]


@pytest.mark.skipif(
    "connection.vendor != 'sqlite'", reason="PostgreSQL's index holds rows, no text"
)
def test_nothing_of_a_thread_that_is_gone_stays_in_the_table():
    _, thread = said("first narwhal", "second narwhal")
    key = thread.pk.hex

    thread.delete()

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM chatrouting_threads_words WHERE thread = %s", [key])
        assert cursor.fetchone() == (0,)


def test_the_index_is_made_of_what_was_there_before():
    owner, _ = said("capybara")

    with connection.schema_editor(atomic=False) as editor:
        migration.drop_index(None, editor)
        migration.make_index(None, editor)

    assert found(owner, "capybara") == ["capybara"]
    said("capybara again", by=owner)
    assert found(owner, "capybara") == ["capybara again", "capybara"]


def test_the_beginning_of_a_very_long_message_is_found_and_its_end_is_kept():
    owner, _ = said(" ".join(f"word{number}" for number in range(300_000)) + " zebra")

    assert len(found(owner, "word77")) == 1
    assert found(owner, "zebra") == []


def test_who_has_more_threads_than_a_query_may_name_finds_all_the_same(monkeypatch):
    monkeypatch.setattr("chatrouting.threads.search.NAMED_THREADS", 2)
    owner, _ = said("ibex one")
    for number in range(3):
        said(f"ibex {number}", by=owner)
    said("ibex of another")

    assert len(found(owner, "ibex")) == 4
    assert NAMED_THREADS > 2


def test_one_message_can_be_left_out():
    owner, thread = said("gnu one")
    asking = add_question(thread, owner, "find gnu")

    assert find(owner.id, "gnu", 5, but=asking.pk)[0].content == "gnu one"


def test_an_excerpt_stands_around_the_first_word():
    text = "x " * 200 + "concatenate the Cat\n sleeps " + "y " * 200

    cut = excerpt(text, "cat sleeps")

    assert "the Cat sleeps y" in cut
    assert cut.startswith("…x") and cut.endswith("y…")
    assert len(cut) <= 202
    assert excerpt("short", "other") == "short"


@given(st.text(max_size=80))
def test_words_hold_no_sign_that_means_anything(query):
    assert not set("\"'*():&|!\\<>^\x00").intersection("".join(words_of(query)))
