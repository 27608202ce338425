"""What may be shown of a tool's arguments and results: no secrets, no endless values."""

import re
from typing import Any

MASK = "•••"
SHOWN_CHARACTERS = 2_000
SHOWN_ITEMS = 100
SHOWN_DEPTH = 8

SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|api[_-]?key|private[_-]?key|authori[sz]ation|credential|cookie|^auth$|^pin$"
    r"|session[_-]?(id|key)",
    re.IGNORECASE,
)


def masked(value: Any, depth: int = SHOWN_DEPTH) -> Any:
    """The value without what its names call secret, long texts and lists cut with a mark."""
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return _masked_object(value, depth)
    if isinstance(value, list):
        shown = [masked(item, depth - 1) for item in value[:SHOWN_ITEMS]]
        return [*shown, _more(len(value), "items")] if len(value) > SHOWN_ITEMS else shown
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return value[:SHOWN_CHARACTERS] + _more(len(value), "characters")
    return value


def _masked_object(value: dict[str, Any], depth: int) -> dict[str, Any]:
    names = list(value)[:SHOWN_ITEMS]
    shown = {
        name: MASK if SECRET.search(name) else masked(value[name], depth - 1) for name in names
    }
    return {**shown, "…": _more(len(value), "names")} if len(value) > SHOWN_ITEMS else shown


def _more(count: int, what: str) -> str:
    return f"… ({count:,} {what} in all)"
