"""From where a run can go on: what its agent saved last, and what it had told by then."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction

from chatrouting.agents import journal
from chatrouting.agents.contract import AgentError, Usage
from chatrouting.agents.models import Run, SavedState

STATE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent goes on. `text` stands; what follows was told since, and is not told again."""

    state: Any = None
    text: str = ""
    thoughts: int = 0
    calls: int = 0
    repeated_text: str = ""
    repeated_thoughts: int = 0


BEGINNING = Place()


def as_json(state: Any) -> str:
    """A state as it is kept. Raises `AgentError` where it is no JSON, or over 4 MiB of it."""
    try:
        text = json.dumps(msgspec.to_builtins(state, str_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise AgentError("state_not_kept", "What the agent saved is not JSON.") from error
    if len(text) > STATE_BYTES:
        raise AgentError("state_not_kept", "What the agent saved is too large.")
    return text


@transaction.atomic
def save(run: Run, state: str, told: Place, usage: Usage | None) -> None:
    """Keep this state, with what was told and used by now; in place of the one before.

    Raises `RunOver` where the run has moved on: it has ended, or goes on from what another worker keeps.
    """
    if not _noted(run, usage):
        raise journal.RunOver
    kept = {"state": state, "text": told.text, "thoughts": told.thoughts, "calls": told.calls}
    if not SavedState.objects.filter(run=run).update(**kept):
        SavedState.objects.create(run=run, **kept)


def _noted(run: Run, usage: Usage | None) -> bool:
    """Note what was used, and be alone with the run. False where its worker has it no more."""
    held = journal.held(run)
    if usage is None:
        return held.exists()
    used = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return bool(held.update(**used))


def place_of(run: Run, *, resumed: bool) -> Place:
    """Where the run goes on.

    `resumed`: it waited for a person, and its members have all that it told before; else a new attempt
    voids what was told after the agent saved.
    """
    kept = SavedState.objects.filter(run=run).first()
    if kept is None:
        return BEGINNING
    state = json.loads(kept.state) if kept.state else None
    if not resumed:
        return Place(state, kept.text, kept.thoughts, kept.calls)
    since = kept.shown_text.removeprefix(kept.text)
    thoughts = kept.shown_thoughts - kept.thoughts
    return Place(state, kept.text, kept.thoughts, kept.calls, since, max(thoughts, 0))


def forget(run: Run) -> None:
    """The run ends: there is nothing to go on from."""
    SavedState.objects.filter(run=run).delete()


def text_told(run: Run) -> str:
    """What a waiting run has told."""
    kept = SavedState.objects.filter(run=run).values_list("shown_text", flat=True)
    return kept.first() or ""


def used_by(run: Run) -> Usage | None:
    """What the run had counted when it was read."""
    if run.input_tokens is None or run.output_tokens is None:
        return None
    return Usage(run.input_tokens, run.output_tokens)
