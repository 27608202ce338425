"""A handshake's headers, as the server hands them over."""

from collections.abc import Mapping
from typing import Any

from chatrouting.connections import sessions
from chatrouting.connections.sessions import SignedIn, session_key
from chatrouting.testing.people import Person


def cookie_of(person: Person) -> dict[bytes, bytes]:
    """The headers of a person who is signed in."""
    return {b"cookie": person.cookie.encode()}


def signed_in(headers: Mapping[bytes, bytes]) -> SignedIn | None:
    """Whose socket it is that is opened with these headers."""
    key = session_key(headers)
    return None if key is None else sessions.signed_in([key]).get(key)


def handshake(scheme: str = "ws", **headers: str) -> dict[str, Any]:
    """A scope with these headers; an underscore in a name stands for a hyphen."""
    pairs = [
        (name.replace("_", "-").encode(), value.encode("latin1")) for name, value in headers.items()
    ]
    return {"type": "websocket", "scheme": scheme, "path": "/ws/chat/", "headers": pairs}
