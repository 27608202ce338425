"""What is too large for an event: the whole result of a tool."""

import uuid

import msgspec
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chatrouting.agents.models import ToolCall
from chatrouting.threads.rules import seen_by


@require_safe
@never_cache
def tool_result(request: HttpRequest, run_id: uuid.UUID, number: int) -> HttpResponse:
    """The result as JSON, for the members of the run's thread.

    Raises `Http404` for who is no member or not signed in, as for a result that is not there, or whose thread
    is deleted.
    """
    if not request.user.is_authenticated:
        raise Http404
    large = ToolCall.objects.filter(pk=number, run_id=run_id, result_bytes__isnull=False)
    call = large.filter(seen_by(str(request.user.pk), "run__thread__")).first()
    if call is None:
        raise Http404
    return HttpResponse(msgspec.json.encode(call.result), content_type="application/json")
