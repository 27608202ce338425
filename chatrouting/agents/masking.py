"""What may be shown of a tool's arguments and results: no secrets, no endless values."""

import math
import re
from typing import Any

MASK = "•••"
SHOWN_CHARACTERS = 2_000
SHOWN_ITEMS = 100
SHOWN_DEPTH = 8
WHOLE_DEPTH = 100

SECRET = re.compile(
    r"passw|passphrase|passcode|(^|[^a-z])pass$|pwd|secret|token|(api|private|access|signing|encryption)[_-]?key"
    r"|authori[sz]ation|bearer|credential|cookie|(^|[^a-z])(auth|pin|otp|jwt)$|session[_-]?(id|key)",
    re.IGNORECASE,
)

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def masked(value: Any, depth: int = SHOWN_DEPTH) -> Any:
    """The value without what its names call secret, long texts and lists cut with a mark.

    What JSON or a database does not keep (infinity, NUL, halves of surrogate pairs) is replaced.
    """
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return _masked_object(value, depth)
    if isinstance(value, list):
        shown = [masked(item, depth - 1) for item in value[:SHOWN_ITEMS]]
        return [*shown, _more(len(value), "items")] if len(value) > SHOWN_ITEMS else shown
    if isinstance(value, str):
        return _cut(storable(value))
    return _finite(value)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def masked_whole(value: Any, depth: int = WHOLE_DEPTH) -> Any:
    """As `masked`, with long texts and lists left as they are."""
    if depth == 0 and isinstance(value, dict | list):
        return "…"
    if isinstance(value, dict):
        return {
            storable(name): MASK if SECRET.search(name) else masked_whole(item, depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [masked_whole(item, depth - 1) for item in value]
    return storable(value) if isinstance(value, str) else _finite(value)


def storable(text: str) -> str:
    """The text with U+FFFD for what no database keeps: NUL, and halves of surrogate pairs."""
    if not UNSTORABLE.search(text):
        return text
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\x00", "\ufffd")


def _cut(text: str) -> str:
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return text[:SHOWN_CHARACTERS] + _more(len(text), "characters")


def _masked_object(value: dict[str, Any], depth: int) -> dict[str, Any]:
    names = list(value)[:SHOWN_ITEMS]
    shown = {
        _cut(storable(name)): MASK if SECRET.search(name) else masked(value[name], depth - 1)
        for name in names
    }
    return {**shown, "…": _more(len(value), "names")} if len(value) > SHOWN_ITEMS else shown


def _more(count: int, what: str) -> str:
    return f"… ({count:,} {what} in all)"
