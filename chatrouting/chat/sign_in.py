"""Signing in by name and password, as often as is allowed."""

import logging
import math
from typing import Any, TypeVar

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpResponseBase
from django.views.decorators.debug import sensitive_variables

from chatrouting import counters
from chatrouting.chat.attempts import Attempt

logger = logging.getLogger(__name__)

Response = TypeVar("Response", bound=HttpResponseBase)

TOO_MANY_REQUESTS = 429
UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


class LimitedSignIn(AuthenticationForm):
    """Django's form, which looks at no password where too many have failed before.

    What it says then is the same for a name that exists and for one that does not.
    """

    wait = 0  # seconds until the next attempt may be made

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Raises `ValidationError` also where it is too early for another attempt."""
        given = self.cleaned_data
        if not (given.get("username") and given.get("password") and self.request):
            return super().clean()
        attempt = Attempt(given["username"], self.request.META.get("REMOTE_ADDR") or "")
        self.wait = attempt.begin()
        if self.wait:
            counters.sign_ins_refused.inc()
            logger.warning("a sign-in from %s was refused after many", attempt.address)
            raise ValidationError(f"Too many failed attempts. Try again in {in_words(self.wait)}.")
        found = super().clean()
        attempt.succeeded()
        return found


def with_status(response: Response) -> Response:
    """The answer to a sign-in: 429 with `Retry-After` where it came too early."""
    context = getattr(response, "context_data", None) or {}
    wait = getattr(context.get("form"), "wait", 0)
    if wait:
        response.status_code = TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(wait)
    return response


def in_words(seconds: int) -> str:
    """So many seconds for a person: rounded up, in the largest unit that fits."""
    size, unit = next(each for each in UNITS if seconds >= each[0])
    count = math.ceil(seconds / size)
    return f"{count} {unit}{'s' if count > 1 else ''}"
