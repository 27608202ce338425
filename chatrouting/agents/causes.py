"""Why a run failed: what its user is told of it, and what may help."""

import logging
import uuid

from chatrouting.agents import runs
from chatrouting.agents.masking import storable
from chatrouting.agents.messages import AgentErrorOccurred
from chatrouting.agents.models import Run

logger = logging.getLogger(__name__)

TELL_THE_OPERATOR = ("Tell the operator of this site.",)
# Code of a failure → whether the same question may be asked again, and what may help.
ADVICE: dict[str, tuple[bool, tuple[str, ...]]] = {
    "agent_failed": (True, ("Ask again.",)),
    "agent_not_installed": (False, ("Choose another agent.",)),
    "model_answer_cut": (True, ("Ask again.",)),
    "model_answer_invalid": (True, ("Ask again.",)),
    "model_answer_too_long": (False, ("Ask for less at once.",)),
    "model_busy": (True, ("Ask again in a few minutes.",)),
    "model_context_full": (False, ("Begin a new thread.", "Write less at once.")),
    "model_failed": (True, ("Ask again.",)),
    "model_filtered": (False, ("Put the question in other words.",)),
    "model_limit_reached": (False, ("Ask for less at once.",)),
    "model_not_configured": (False, TELL_THE_OPERATOR),
    "model_quota_used_up": (False, TELL_THE_OPERATOR),
    "model_refused_key": (False, TELL_THE_OPERATOR),
    "model_refused_request": (False, TELL_THE_OPERATOR),
    "model_timeout": (True, ("Ask again.",)),
    "model_unavailable": (True, ("Ask again in a few minutes.",)),
    "model_unknown": (False, TELL_THE_OPERATOR),
    "no_progress": (True, ("Ask again.",)),
    "run_timeout": (True, ("Ask again.", "Ask for less at once.")),
    "state_damaged": (True, ("Ask again.",)),
    "state_not_kept": (False, ("Choose another agent.",)),
    "token_budget": (True, ("Ask for less at once.",)),
    "worker_lost": (True, ("Ask again.",)),
}


def failure(
    run: Run, code: str, text: str, error: BaseException | None = None, *, retryable: bool = False
) -> runs.Failure:
    """Why a run failed, for its user. Its trace id, that of the message it answers, stands in the log."""
    trace_id = run.trace_id or uuid.uuid4().hex
    logger.error("run %s failed as %s, trace %s", run.pk, code, trace_id, exc_info=error)
    return runs.Failure(storable(code), storable(text), trace_id, retryable)


def told(run: Run) -> AgentErrorOccurred:
    """What its members are told of it."""
    retryable, suggestions = ADVICE.get(run.error_code, (run.retryable, ()))
    return AgentErrorOccurred(
        code=run.error_code,
        message=run.error_text,
        retryable=retryable,
        trace_id=run.trace_id,
        suggestions=list(suggestions),
    )
