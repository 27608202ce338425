"""What a handler is given beside the message. Immutable."""

import msgspec

from chatrouting.threads.rules import Person
from routing_core.dispatch import Request

NO_REQUEST = Request("", None, b"{}", "")


class Context(msgspec.Struct, frozen=True):
    """Who asks, through which socket, and with which message. All of it comes from the session.

    `priority`: whether the user was in the group of that name when the socket was opened.
    """

    user: Person
    connection_id: str
    session_digest: str
    priority: bool = False
    request: Request = NO_REQUEST

    def for_request(self, request: Request) -> "Context":
        """The same socket, for this message."""
        return Context(self.user, self.connection_id, self.session_digest, self.priority, request)
