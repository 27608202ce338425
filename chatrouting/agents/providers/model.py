"""The language model of the settings, as pydantic-ai knows it."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model, parse_model_id
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider_class
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from chatrouting.agents.contract import AgentError, AgentEvent, RunContext
from chatrouting.agents.providers.answering import Answering
from chatrouting.conf import chat_settings, model_endpoint

OPENAI: Mapping[str, type[OpenAIChatModel] | type[OpenAIResponsesModel]] = {
    "openai": OpenAIResponsesModel,
    "openai-responses": OpenAIResponsesModel,
    "openai-chat": OpenAIChatModel,
}
# A stream that ends without saying why it ended was cut.
STRICT = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)


class LanguageModel:
    """One model, with its connections. They are kept from `open` to `close`."""

    def __init__(self, model: Model[Any]) -> None:
        self._model = model

    @classmethod
    def from_settings(cls) -> Self:
        """The model of `AGENT_MODEL`. Raises `AgentError`; what is wrong stands in its cause."""
        try:
            return cls(_named(chat_settings().model))
        except (UserError, ImportError) as error:
            raise AgentError(
                "model_not_configured", "The model of this agent is not set up."
            ) from error

    async def open(self) -> Self:
        """Make connections in this event loop."""
        await self._model.__aenter__()
        return self

    async def close(self) -> None:
        """End its connections."""
        await self._model.__aexit__(None, None, None)

    def answer(self, ctx: RunContext) -> AsyncGenerator[AgentEvent, None]:
        """Answer the question of this run."""
        return Answering(ctx, self._model).events()


def _named(name: str) -> Model[Any]:
    """The model, as `provider:model`, or as the service at `OPENAI_BASE_URL` names it.

    At such an address the chat protocol is spoken, which all of them serve, unless `openai-responses`
    is asked for.
    """
    kind, rest = parse_model_id(name)
    url, key = model_endpoint()
    if url and not (kind and kind not in OPENAI and _is_provider(kind)):
        own = OpenAICompatibleProvider(
            "openai-compatible", base_url=url, api_key=key or None, profile=STRICT
        )
        if kind == "openai-responses":
            return OpenAIResponsesModel(rest, provider=own)
        return OpenAIChatModel(rest if kind in OPENAI else name, provider=own)
    if kind is not None and kind in OPENAI:
        return OPENAI[kind](rest, provider=OpenAIProvider(api_key=key or None))
    inferred: Model[Any] = infer_model(name)
    return inferred


def _is_provider(kind: str) -> bool:
    try:
        return issubclass(infer_provider_class(kind), Provider)
    except ValueError:
        return False
    except ImportError:  # known, and its package is not installed
        return True
