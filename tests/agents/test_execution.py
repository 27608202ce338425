"""Synchronous tools that use the database."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from chatrouting.agents import execution
from chatrouting.agents.contract import ToolStatus
from chatrouting.agents.tools import ToolContext, tool
from chatrouting.threads.rules import Person


@tool
def people() -> int:
    """How many there are."""
    return get_user_model().objects.count()


@tool
def lose() -> None:
    """The server ends the connection, which is past its age: SQLite's is never found to be lost."""
    connection.ensure_connection()
    connection.connection.close()
    connection.close_at = time.monotonic() - 1


@pytest.fixture
def one_thread(services, monkeypatch):
    """All calls run in it."""
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(execution, "_threads", lambda: threads)
        yield
        threads.submit(lambda: connection.close()).result()


async def status(called):
    context = ToolContext(Person("1", "eve"), uuid.uuid4(), uuid.uuid4(), "call")
    return (await execution.execute(called, {}, context)).status


async def test_a_tool_has_a_new_connection_where_the_one_before_is_lost(one_thread):
    """Row 53."""
    await status(lose)

    assert await status(people) is ToolStatus.OK
