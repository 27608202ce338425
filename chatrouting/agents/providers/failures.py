"""What a failed request to a model means for its run: a code, words for its user, whether to try again.

The words of a provider never reach a user, nor the log at INFO: they may quote what was asked.
"""

import logging
import random
import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_ai import exceptions as raised

from chatrouting.agents.contract import AgentError
from chatrouting.agents.masking import MASK
from chatrouting.conf import chat_settings, model_endpoint

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
WORDS = 500  # characters of them in the log
MOST_CAUSES = 4
WORD = re.compile(r"[\w.:/-]{1,100}")
REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
KEY = re.compile(r"\b(?:(?:sk|pk|key)[-_]|bearer )[\w.-]{8,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`again`: the same request may succeed a little later."""

    code: str
    text: str
    again: bool = False


BUSY = Meaning("model_busy", "The model is asked too much at the moment.", again=True)
AWAY = Meaning("model_unavailable", "The model cannot be reached at the moment.", again=True)
LATE = Meaning("model_timeout", "The model did not answer in time.")
CUT = Meaning("model_answer_cut", "The model's answer broke off.")
INVALID = Meaning("model_answer_invalid", "The model's answer could not be read.", again=True)
FILTERED = Meaning("model_filtered", "The model's provider declines to answer this.")
TOO_LONG = Meaning("model_answer_too_long", "The answer reached the longest the model may give.")
LIMIT = Meaning("model_limit_reached", "The answer took more work of the model than is allowed.")

# The first row that fits counts.
MEANINGS: Final[tuple[tuple[type[Exception], Meaning], ...]] = (
    (raised.ModelAuthenticationError,
     Meaning("model_refused_key", "The model's provider refuses the key of this site.")),
    (raised.ModelQuotaExceededError,
     Meaning("model_quota_used_up", "The account of this site with the model's provider is used up.")),
    (raised.ModelRateLimitError, BUSY),
    (raised.ModelOverloadedError, BUSY),
    (raised.ModelUnavailableError, AWAY),
    (raised.ModelServerError, AWAY),
    (raised.ModelTimeoutError, LATE),
    (raised.ModelRequestTimeout, LATE),
    (raised.ModelConnectionError, AWAY),
    (raised.ModelContextWindowExceededError,
     Meaning("model_context_full", "The conversation is too long for the model.")),
    (raised.ContentFilterError, FILTERED),
    (raised.ModelNotFoundError,
     Meaning("model_unknown", "The model's provider does not know the model of this site.")),
    (raised.ModelRequestRejectedError,
     Meaning("model_refused_request", "The model's provider refuses the request.")),
    (raised.UsageLimitExceeded, LIMIT),
    (raised.UnexpectedModelBehavior, INVALID),
    (raised.ModelAPIError, INVALID),
    (Exception, Meaning("model_failed", "The model failed.")),
)  # fmt: skip


def meaning_of(error: Exception, *, shown: bool = False) -> Meaning:
    """What this says to the user. `shown`: part of the answer had come."""
    if isinstance(error, raised.ModelAPIError) and error.provider_error_code == "content_filter":
        return FILTERED
    meaning = next(meaning for kind, meaning in MEANINGS if isinstance(error, kind))
    return CUT if shown and (meaning.again or meaning is LATE) else meaning


def pause_before(attempt: int, error: Exception) -> float | None:
    """Seconds until the request may be sent again, or None where it is not to be. `attempt` counts from 1.

    What the provider asks for counts, up to the longest pause of the settings; else the pauses grow.
    """
    conf = chat_settings()
    if attempt >= conf.model_tries or not meaning_of(error).again:
        return None
    asked = error.retry_after if isinstance(error, raised.ModelAPIError) else None
    if asked is not None:
        return asked if asked <= conf.model_pause_seconds else None
    spread = random.uniform(0.75, 1.25)  # noqa: S311 - reason: no secret
    grown = FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1) * spread
    return min(grown, conf.model_pause_seconds)


def failed(meaning: Meaning, *, tried: bool = False) -> AgentError:
    """What ends the attempt. `tried`: the request was sent again as often as it may be, so the run is not."""
    return AgentError(meaning.code, meaning.text, retryable=meaning.again and not tried)


def log_failure(run: object, error: Exception, what: str) -> None:
    """Keep what failed, and where, for the operator. The words of it, which may quote a prompt, only at DEBUG."""
    logger.warning("run %s: %s: %s", run, what, without_keys(" ".join(_facts(error))))
    logger.debug("run %s: it was told: %s", run, without_keys(str(error))[:WORDS])


def _facts(error: Exception) -> Iterator[str]:
    """What of an error is not in anybody's words: its kind and causes, and what the provider names by a word."""
    yield " from ".join(type(each).__name__ for each in _causes(error))
    for name, value in _named(error).items():
        if value is not None and WORD.fullmatch(str(value)):
            yield f"{name}={value}"
    if not isinstance(error, raised.AgentRunError):  # nobody foresaw it
        yield "\n" + "".join(traceback.format_tb(error.__traceback__))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if cause is not None:
            yield cause
            cause = cause.__cause__


def _named(error: Exception) -> Mapping[str, object]:
    if not isinstance(error, raised.ModelAPIError):
        return {}
    named = {"code": error.provider_error_code, "type": error.provider_error_type}
    if not isinstance(error, raised.ModelHTTPError):
        return named
    headers = error.headers or {}
    request = next((headers[name] for name in REQUEST_IDS if name in headers), None)
    return {"status": error.status_code, **named, "request": request}


def without_keys(text: str) -> str:
    """The text without this site's key, or anything that looks like one."""
    _, key = model_endpoint()
    return KEY.sub(MASK, text.replace(key, MASK) if key else text)
