"""What the tests of agents leave behind is closed."""

from collections.abc import Iterator

import pytest

from chatrouting.agents import host as hosting
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
