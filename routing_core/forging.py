"""Frames and payloads that name a user: the session alone says who acts."""

import json
from typing import Any

# A field of one of these names, where a message has no such field, tries to say who acts.
IDENTITY_FIELDS = frozenset(
    {
        *("user", "userid", "user_id", "username", "user_name", "from_user", "acting_user"),
        *("sender", "sender_id", "author", "author_id", "owner", "owner_id"),
        *("act_as", "on_behalf_of", "impersonate"),
        *("session", "sessionid", "session_id", "session_key"),
    }
)


def names_a_user(text: str | bytes | None, *, but: tuple[str, ...] = ()) -> bool:
    """Whether a JSON object has a field that names a user, other than those it may have."""
    try:
        value: Any = json.loads(text or "null")
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    return any(_plain(key) in IDENTITY_FIELDS for key in value.keys() - set(but))


def _plain(key: str) -> str:
    """`userId`, `User-ID` and `user_id` mean the same."""
    return key.lower().replace("-", "_")
