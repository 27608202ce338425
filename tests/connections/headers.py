"""A handshake's headers, as the server hands them over."""

from typing import Any

from chatrouting.testing.people import Person


def cookie_of(person: Person) -> dict[bytes, bytes]:
    """The headers of a person who is signed in."""
    return {b"cookie": person.cookie.encode()}


def handshake(scheme: str = "ws", **headers: str) -> dict[str, Any]:
    """A scope with these headers; an underscore in a name stands for a hyphen."""
    pairs = [
        (name.replace("_", "-").encode(), value.encode("latin1")) for name, value in headers.items()
    ]
    return {"type": "websocket", "scheme": scheme, "path": "/ws/chat/", "headers": pairs}
