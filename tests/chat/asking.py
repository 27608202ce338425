"""Somebody who asks: the context of a message, as the consumer makes it."""

import itertools

from chatrouting.chat.context import Context
from chatrouting.threads.rules import Person
from routing_core.dispatch import Request
from tests.agents.accepted import a_person

_ids = itertools.count(1)


def a_context(person: Person | None = None, id: str | None = "") -> Context:
    """The context of one message of somebody new, or of this person; a fresh id where none is given."""
    chosen = f"m{next(_ids)}" if id == "" else id
    asking = Context(person or a_person(), "connection", "digest")
    return asking.for_request(Request("type", chosen, b"{}", "trace"))
