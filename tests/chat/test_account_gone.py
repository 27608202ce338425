"""What is said on a socket that is open for a moment after its account was deleted."""

import pytest
from django.contrib.auth import get_user_model

from chatrouting.chat.conversation import user_message
from chatrouting.chat.messages import UserMessage
from chatrouting.chat.thread_messages import CreateThread
from chatrouting.chat.threads import create_thread
from chatrouting.database import in_database
from chatrouting.threads.models import Thread
from routing_core.errors import PermissionDenied
from tests.chat.asking import a_context
from tests.chat.circle import someone
from tests.chat.together import said_together


async def someone_gone():
    """Somebody whose account an operator has deleted."""
    person = await someone()
    await in_database(get_user_model().objects.filter(pk=person.id).delete)
    return person


async def test_it_is_refused_and_what_others_say_at_that_moment_is_accepted():
    """Row 86: of an account that is gone nobody else hears anything."""
    gone, others = await someone_gone(), [await someone() for _ in range(9)]

    hello = UserMessage(content="hello")
    refused, *replies = await said_together(
        *((a_context(person), hello) for person in (gone, *others))
    )

    assert isinstance(refused, PermissionDenied)
    assert [reply.status for reply in replies] == ["running"] * len(others)
    owners = Thread.objects.filter(pk__in=[reply.thread_id for reply in replies])
    found = await in_database(lambda: set(owners.values_list("owner_id", flat=True)))
    assert found == {int(person.id) for person in others}


async def test_it_is_refused_where_nobody_else_says_anything():
    gone = await someone_gone()

    with pytest.raises(PermissionDenied):
        await user_message(a_context(gone), UserMessage(content="hello"))
    with pytest.raises(PermissionDenied):
        await create_thread(a_context(gone), CreateThread())
