"""Agents and a queue of their own for the tests of runs; what these leave behind is closed."""

import uuid
from collections.abc import Iterator

import msgspec
import pytest

from chatrouting.agents import host as hosting
from chatrouting.agents import queue as queueing
from chatrouting.agents.queue import RunQueue
from chatrouting.conf import chat_settings
from tests.agents.leftovers import closed_afterwards


@pytest.fixture(scope="package", autouse=True)
def leftovers(services: None) -> Iterator[None]:
    """No run of these tests is left for the worker of later tests."""
    yield from closed_afterwards()


@pytest.fixture
def install(monkeypatch):
    """Install this agent in place of all others; none where None is given."""

    def installed(agent):
        agents = {} if agent is None else {agent.name: agent}
        monkeypatch.setattr(hosting, "installed_agents", lambda: agents)

    return installed


@pytest.fixture
async def queue(monkeypatch):
    """A queue that no other worker takes from."""
    own = msgspec.structs.replace(chat_settings(), queue=f"test-{uuid.uuid4().hex}")
    monkeypatch.setattr(queueing, "chat_settings", lambda: own)
    made = RunQueue()
    yield made
    await made.close()
