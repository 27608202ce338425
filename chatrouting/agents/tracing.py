"""The trace of the message a run answers, where its worker is at work on it."""

import uuid

from structlog.contextvars import get_contextvars


def trace_of_now() -> str:
    """The trace id that is bound, so that one search finds message, run and tool; a new one where none is."""
    return str(get_contextvars().get("trace_id") or uuid.uuid4().hex)
