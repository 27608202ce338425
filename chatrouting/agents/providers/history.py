"""A thread, as a model is told of it."""

from collections.abc import Iterable, Sequence

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)

from chatrouting.agents.contract import Spoken

USER = "user"


def told(history: Sequence[Spoken], instructions: str, characters: int) -> list[ModelMessage]:
    """The newest of the thread, so many characters at most and the question in any case.

    Where several people speak, each of their messages begins with its author's name.
    """
    kept = list(_newest(history, characters))
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


def _newest(history: Sequence[Spoken], characters: int) -> Iterable[Spoken]:
    """In order. What is empty, as the answer of a run that failed, is left out; the first is a person's."""
    *before, question = history
    left = characters - len(question.content)
    kept = [question]
    for spoken in reversed(before):
        left -= len(spoken.content)
        if left < 0:
            break
        if spoken.content.strip():
            kept.append(spoken)
    while kept[-1].role != USER:
        kept.pop()
    return reversed(kept)
