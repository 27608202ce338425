"""The assistant, and a model server on this machine that it asks."""

import pytest
from django.test import override_settings

from chatrouting.agents.providers import failures
from chatrouting.agents.providers.assistant import Assistant
from chatrouting.conf import chat_settings
from chatrouting.testing.model_server import ModelServer

KEY = "sk-0123456789abcdef"


@pytest.fixture
async def server():
    async with ModelServer() as started:
        yield started


@pytest.fixture
def configure(monkeypatch):
    """Set settings of the project, by their names in lower case."""

    def configured(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"CHATROUTING_{name.upper()}", str(value))
        chat_settings.cache_clear()

    yield configured
    monkeypatch.undo()
    chat_settings.cache_clear()


@pytest.fixture
async def assistant(server, configure, monkeypatch):
    """The agent that asks the server's model."""
    configure(model="local-model")
    monkeypatch.setattr(failures, "FIRST_PAUSE_SECONDS", 0.02)
    with override_settings(OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY):
        agent = Assistant()
        yield agent
        await agent.close()
