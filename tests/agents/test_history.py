"""What an agent is told of its thread."""

import random

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chatrouting.agents import history
from chatrouting.agents.contract import Spoken
from chatrouting.agents.history import history_of
from chatrouting.agents.models import Run
from chatrouting.conf import chat_settings
from chatrouting.threads.models import Thread, ThreadMessage
from tests.agents.accepted import a_thread, ask


async def test_the_first_question_is_told_without_a_look_at_the_database():
    """Nothing of this run is stored."""
    question = ThreadMessage(position=1, role="user", author_name="alice", content="hello")

    assert await history_of(Run(question=question)) == (Spoken("user", "alice", "hello"),)


@pytest.fixture
def characters(monkeypatch):
    """Let an agent be told so many characters."""

    def set_to(count):
        own = msgspec.structs.replace(chat_settings(), history_characters=count)
        monkeypatch.setattr(history, "chat_settings", lambda: own)

    return set_to


def asked_after(*lengths):
    """The run of a question in a thread in which people and agent took turns, with so many characters each."""
    thread = a_thread()
    said = [ThreadMessage(thread=thread, position=position, author_name="author", content="x" * length,
                          role="user" if position % 2 else "agent", created_at=timezone.now())
            for position, length in enumerate(lengths, 1)]  # fmt: skip
    ThreadMessage.objects.bulk_create(said)
    Thread.objects.filter(pk=thread.pk).update(last_position=len(said) + len(said) % 2)
    return ask(thread, "what?")


def whole(run):
    said = ThreadMessage.objects.filter(thread_id=run.thread_id).order_by("position")
    return [Spoken(each.role, each.author_name, each.content) for each in said]


def newest(spoken, count):
    """The longest end of it that has so many characters at most, and the question in any case."""
    ends = (spoken[start:] for start in range(len(spoken)))
    fitting = (end for end in ends if sum(len(each.content) for each in end) <= count)
    return tuple(next(fitting, spoken[-1:]))


def test_a_thread_that_fits_is_told_whole():
    run = asked_after(*range(1, 2 * history.AT_ONCE + 1))

    assert list(history._said_by_then(run)) == whole(run)


def test_a_long_thread_is_read_no_further_than_is_told(characters):
    characters(len("what?") + 10 * (history.AT_ONCE + 4))
    run = asked_after(*[10] * 6 * history.AT_ONCE)

    with CaptureQueriesContext(connection) as read:
        spoken = history._said_by_then(run)

    assert len(spoken) == history.AT_ONCE + 5
    assert [each["sql"].split()[-2:] for each in read] == [["LIMIT", str(history.AT_ONCE)]] * 2


@pytest.mark.parametrize("count", [1, 5, 20, 60, 1_000])
def test_an_agent_is_told_the_newest_that_fits(characters, monkeypatch, count):
    characters(count)
    monkeypatch.setattr(history, "AT_ONCE", 3)
    chance = random.Random(count)

    for messages in range(1, 12):
        run = asked_after(*(chance.choice([0, 1, 7, 20]) for _ in range(messages)))

        assert history._said_by_then(run) == newest(whole(run), count)


def test_what_was_said_later_is_not_told():
    first = asked_after(3, 4)
    ask(first.thread, "later")

    assert history._said_by_then(first)[-1].content == "what?"
