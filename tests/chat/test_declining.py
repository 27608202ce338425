"""What a message is not accepted for, and that one which was accepted stays so."""

import uuid

import pytest

from chatrouting.chat import conversation
from chatrouting.chat.conversation import user_message
from chatrouting.chat.messages import UserMessage
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from chatrouting.threads.models import Thread
from routing_core.errors import Busy, InvalidPayload
from tests.chat.asking import a_context
from tests.chat.circle import someone

HELLO = UserMessage(content="hello")


async def declined(person, message):
    """In which words it is."""
    with pytest.raises(Busy) as refused:
        await user_message(a_context(person), message)
    return str(refused.value)


async def test_who_does_not_want_to_wait_for_a_run_of_the_thread_is_told_that_it_is_busy():
    person = await someone()
    first = await user_message(a_context(person), HELLO)

    again = UserMessage(content="on", thread_id=uuid.UUID(first.thread_id), on_busy="reject")

    assert await declined(person, again) == "The thread is busy."


async def test_who_does_not_want_to_wait_for_runs_elsewhere_is_told_that_it_is_those():
    person = await someone()
    for _ in range(chat_settings().runs_per_user):
        await user_message(a_context(person), HELLO)

    said = await declined(person, UserMessage(content="hello", on_busy="reject"))

    assert said == "Too many of your runs are at work."
    count = await in_database(Thread.objects.filter(owner_id=person.id).count)
    assert count == chat_settings().runs_per_user


async def test_a_repeated_message_has_its_answer_although_its_agent_is_gone(monkeypatch):
    """Row 23: the second answer equals the first, also after a restart."""
    ctx = a_context(await someone())
    first = await user_message(ctx, HELLO)

    monkeypatch.setattr(conversation, "agent_names", frozenset)
    again = await user_message(ctx, HELLO)

    assert (again.duplicate, again.run_id) == (True, first.run_id)
    with pytest.raises(InvalidPayload):
        await user_message(a_context(ctx.user), HELLO)
