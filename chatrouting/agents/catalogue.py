"""The agents that are installed."""

import functools
import logging
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from django.utils.module_loading import import_string

from chatrouting.agents.contract import Agent
from chatrouting.conf import chat_settings

logger = logging.getLogger(__name__)


@runtime_checkable
class Prepared(Protocol):
    """An agent that has something to make ready in a worker before its first run, and to put away after."""

    async def prepare(self) -> None:
        """Make it ready. A run that comes earlier waits for it."""
        ...

    async def close(self) -> None:
        """Put it away: no run follows."""
        ...


@functools.cache
def installed_agents() -> Mapping[str, Agent]:
    """The agents of `CHATROUTING["AGENTS"]`, by name, imported on first use. Raises `ImportError`."""
    agents: list[Agent] = [import_string(path)() for path in chat_settings().agents]
    return {agent.name: agent for agent in agents}


@functools.cache
def agent_names() -> frozenset[str]:
    """The names a client may ask for."""
    return frozenset(installed_agents())


async def prepare_agents() -> None:
    """Let each agent make ready what it needs. One that cannot says so when it is asked."""
    for agent in _prepared():
        try:
            await agent.prepare()
        except Exception:  # an edge: the other agents of this worker do not need it
            logger.exception("%s could not be prepared", type(agent).__name__)


async def close_agents() -> None:
    """Let each agent put away what it made ready."""
    for agent in _prepared():
        try:
            await agent.close()
        except Exception:  # an edge: the worker ends all the same
            logger.exception("%s could not be closed", type(agent).__name__)


def _prepared() -> list[Prepared]:
    return [agent for agent in installed_agents().values() if isinstance(agent, Prepared)]
