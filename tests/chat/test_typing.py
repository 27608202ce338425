"""Seeing somebody type, where there is no time for it."""

import asyncio
import threading

import pytest

from chatrouting import counters
from chatrouting.chat.member_messages import TypingNoted, UserTyping
from chatrouting.chat.members import user_typing
from chatrouting.database import DatabaseThreads, in_database
from tests.agents.accepted import a_thread, owner_of
from tests.chat.asking import a_context


@pytest.fixture
async def typing(services):
    """The owner of a thread types in it, when this is called."""
    thread = await in_database(a_thread)
    owner = await in_database(owner_of, thread)
    message = UserTyping(thread_id=thread.pk, is_typing=True)
    return lambda: user_typing(a_context(owner), message)


@pytest.fixture
async def full_line(typing, monkeypatch):
    """The database's line takes nothing more."""
    made, gate = DatabaseThreads(threads=1, waiting=1, seconds=10), threading.Event()
    monkeypatch.setattr("chatrouting.database.database_threads", lambda: made)
    calls = [asyncio.create_task(made.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)  # both are in it
    yield
    gate.set()
    await asyncio.gather(*calls)
    made._executor.shutdown()


def dropped():
    return counters.signals_dropped.labels("typing")._value.get()


async def test_what_is_dropped_where_the_database_has_too_much_to_do_is_counted(full_line, typing):
    """Rows 48, 98: and its sender is answered as ever."""
    before = dropped()

    assert await typing() == TypingNoted()

    assert dropped() == before + 1


async def test_what_is_shown_is_not_counted_as_dropped(typing):
    before = dropped()

    assert await typing() == TypingNoted()

    assert dropped() == before
