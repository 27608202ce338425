"""A thread, as a model is told of it."""

from collections.abc import Sequence
from itertools import dropwhile

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)

from chatrouting.agents.contract import Spoken

USER = "user"


def told(history: Sequence[Spoken], instructions: str) -> list[ModelMessage]:
    """What was said, as it is said to a model. What is empty, as the answer of a run that failed, is left out.

    Where several people speak, each of their messages begins with its author's name.
    """
    kept = [*dropwhile(_is_answer, filter(_has_words, history[:-1])), history[-1]]
    several = len({spoken.author for spoken in kept if spoken.role == USER}) > 1
    messages: list[ModelMessage] = []
    for spoken in kept:
        text = f"{spoken.author}: {spoken.content}" if several else spoken.content
        if spoken.role != USER:
            messages.append(ModelResponse(parts=[TextPart(spoken.content)]))
        elif messages and isinstance(messages[-1], ModelRequest):
            parts = [*messages[-1].parts, UserPromptPart(text)]
            messages[-1] = ModelRequest(parts=parts, instructions=instructions)
        else:
            messages.append(ModelRequest(parts=[UserPromptPart(text)], instructions=instructions))
    return messages


def _has_words(spoken: Spoken) -> bool:
    return bool(spoken.content.strip())


def _is_answer(spoken: Spoken) -> bool:
    """A model is never told an answer first: its question may stand before what an agent is given."""
    return spoken.role != USER
