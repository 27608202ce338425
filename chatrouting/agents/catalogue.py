"""The agents that are installed."""

import functools
from collections.abc import Mapping

from django.utils.module_loading import import_string

from chatrouting.agents.contract import Agent
from chatrouting.conf import chat_settings


@functools.cache
def installed_agents() -> Mapping[str, Agent]:
    """The agents of `CHATROUTING["AGENTS"]`, by name, imported on first use. Raises `ImportError`."""
    agents: list[Agent] = [import_string(path)() for path in chat_settings().agents]
    return {agent.name: agent for agent in agents}


@functools.cache
def agent_names() -> frozenset[str]:
    """The names a client may ask for."""
    return frozenset(installed_agents())
