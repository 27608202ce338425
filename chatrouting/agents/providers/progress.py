"""How far a run of the assistant has come: what was said since its question, as JSON that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import ValidationError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter

from chatrouting.agents.contract import AgentError


@dataclass(slots=True)
class Progress:
    """`messages` come after the question; `requests` is how often the model has answered."""

    messages: list[ModelMessage] = field(default_factory=list)
    requests: int = 0

    @classmethod
    def restored(cls, saved: Any) -> Self:
        """What was saved; the beginning where that is nothing. Raises `AgentError` where it is damaged."""
        if saved is None:
            return cls()
        try:
            return cls(_messages(saved["messages"]), int(saved["requests"]))
        except (ValidationError, LookupError, TypeError, ValueError) as error:
            raise AgentError(
                "state_damaged", "What was kept of this run cannot be read."
            ) from error

    def as_json(self) -> dict[str, Any]:
        """What is to be saved."""
        kept = ModelMessagesTypeAdapter.dump_python(self.messages, mode="json")
        return {"messages": kept, "requests": self.requests}


def _messages(kept: Sequence[Any]) -> list[ModelMessage]:
    return ModelMessagesTypeAdapter.validate_python(kept)
