"""The agents of a worker are made ready and put away, whatever one of them does."""

import pytest

from chatrouting.agents import catalogue
from tests.agents.scripted import ScriptedAgent


class Ready(ScriptedAgent):
    def __init__(self, seen, error=None):
        super().__init__()
        self.seen, self.error = seen, error

    async def prepare(self):
        self.seen.append("prepared")
        if self.error:
            raise self.error

    async def close(self):
        self.seen.append("closed")
        if self.error:
            raise self.error


@pytest.fixture
def seen(monkeypatch):
    seen = []
    agents = [ScriptedAgent(), Ready(seen, RuntimeError("broken")), Ready(seen)]
    monkeypatch.setattr(catalogue, "installed_agents", lambda: dict(enumerate(agents)))
    return seen


async def test_an_agent_that_cannot_be_prepared_keeps_no_other_from_it(seen, caplog):
    await catalogue.prepare_agents()

    assert seen == ["prepared", "prepared"]
    assert "broken" in caplog.text


async def test_an_agent_that_cannot_be_closed_does_not_hold_up_the_worker(seen, caplog):
    await catalogue.close_agents()

    assert seen == ["closed", "closed"]
    assert "broken" in caplog.text
