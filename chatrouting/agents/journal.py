"""What a run's tools did: written before a tool runs and after it. What is told of a call is what is written."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import Case, F, QuerySet, TextField, Value, When
from django.urls import reverse
from django.utils import timezone

from chatrouting.agents.contract import ToolResult, ToolStatus
from chatrouting.agents.masking import masked, masked_whole, storable
from chatrouting.agents.messages import ToolCompleted, ToolExecuting, ToolFailure
from chatrouting.agents.models import OPEN, Run, ToolCall
from chatrouting.agents.statuses import RunStatus

RESULT_BYTES = 32 * 1024
NAME_CHARACTERS = 64
INTERRUPTED = "interrupted"
STOPPED_TEXT = "The run ended before the tool did."
UNSTOPPABLE_TEXT = "The run ended; this tool cannot be stopped and may still finish its work."
LOST_TEXT = "The worker was lost while the tool ran; whether it did its work is not known."


class RunOver(Exception):
    """The run has ended: no more is heard of its agent."""


def held(run: Run) -> QuerySet[Run]:
    """The run's row while its worker has it: locked by whoever reads it, so that nobody takes it meanwhile."""
    mine = Run.objects.filter(pk=run.pk, fence=run.fence, status=RunStatus.RUNNING)
    return mine.select_for_update(no_key=True)


def still_open(run: Run, call: ToolCall) -> QuerySet[ToolCall]:
    """The call while it is open and the run `held`, which is locked first. Change it in a transaction."""
    return ToolCall.objects.filter(pk=call.pk, status__in=OPEN, run__in=held(run))


@transaction.atomic
def begin(run: Run, call_id: str, name: str, arguments: Mapping[str, Any]) -> ToolCall:
    """Note that the call is about to be made: alone with the run, so that its end finds every call.

    Raises `RunOver` where the run has moved on, and `IntegrityError` where it has the call already.
    """
    if not held(run).exists():
        raise RunOver
    return ToolCall.objects.create(
        run=run,
        call_id=call_id,
        attempt=run.attempt,
        tool=shown_name(name),
        arguments=shown_arguments(arguments),
        raw_arguments=json.dumps(arguments),
        started_at=timezone.now(),
    )


@transaction.atomic
def end(run: Run, call: ToolCall, kept: Mapping[str, Any]) -> ToolCall:
    """Note what is kept of the call's end; the row as it stands, which is an earlier end where there was one.

    What was asked about it is read with it. Raises `RunOver` where the run has moved on: then the call is
    another worker's, and may still be open.
    """
    still_open(run, call).update(**kept)
    found = ToolCall.objects.select_related("approval").filter(pk=call.pk, run__in=held(run))
    row = found.first()
    if row is None:
        raise RunOver
    return row


def of_run(run: Run) -> list[ToolCall]:
    """The calls of the run, in order, each with what was asked about it."""
    return list(run.tool_calls.select_related("approval").order_by("id"))


def close(run: Run) -> None:
    """The run ends: no call stays open, and what the agent had is not kept. Call it in the transaction."""
    is_open = When(status__in=OPEN, then=Value(INTERRUPTED))
    text = When(status__in=OPEN, error_text="", then=Value(STOPPED_TEXT))
    run.tool_calls.update(
        error_text=Case(text, default=F("error_text"), output_field=TextField()),
        error_code=Case(is_open, default=F("error_code")),
        status=Case(is_open, default=F("status")),
        raw_arguments="",
        raw_result="",
    )


def result_of(call: ToolCall) -> ToolResult:
    """How an ended call of an unfinished run ended, as its agent was told."""
    result = json.loads(call.raw_result) if call.raw_result else None
    return ToolResult(
        call.call_id, ToolStatus(call.status), result, call.error_code, call.error_text
    )


def told_begin(call: ToolCall) -> ToolExecuting:
    """The beginning of a call, for its members."""
    return ToolExecuting(call_id=call.call_id, tool=call.tool, arguments=call.arguments)


def told_end(call: ToolCall) -> ToolCompleted:
    """The end of a call, for its members; of one that is open, that it was interrupted."""
    is_open = call.status in OPEN
    ended = ToolCompleted(
        call_id=call.call_id,
        tool=call.tool,
        status=INTERRUPTED if is_open else call.status,
        duration_ms=call.duration_ms or 0,
    )
    if call.status != ToolStatus.OK:
        code, text = (INTERRUPTED, STOPPED_TEXT) if is_open else (call.error_code, call.error_text)
        return msgspec.structs.replace(ended, error=ToolFailure(code=code, message=text))
    if call.result_bytes is None:
        return msgspec.structs.replace(ended, result=call.result)
    url = reverse("agents:tool_result", args=[call.run_id, call.pk])
    return msgspec.structs.replace(
        ended, result=None, result_url=url, result_bytes=call.result_bytes
    )


def event_key(run: Run, message: Any) -> str:
    """Under what an event of a call is told: once, whoever tells it."""
    return f"{message.type}:{run.pk}:{message.call_id}"


def shown_name(name: str) -> str:
    """The name of a tool, as it is shown and kept."""
    return storable(name)[:NAME_CHARACTERS]


def shown_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, as they are shown and kept."""
    shown: dict[str, Any] = masked(dict(arguments))
    text = msgspec.json.encode(shown)
    return shown if len(text) <= RESULT_BYTES else {"…": masked(text.decode())}


def kept_of(result: ToolResult, duration_ms: int) -> dict[str, Any]:
    """What is kept of the end of a call. Nobody should have to wait meanwhile: a result may be large."""
    return {"status": result.status.value, "duration_ms": duration_ms, **_end_fields(result)}


def _end_fields(result: ToolResult) -> dict[str, Any]:
    if result.status is not ToolStatus.OK:
        code = storable(result.code or result.status.value)[:64]
        return {"error_code": code, "error_text": masked(result.text)}
    whole = masked_whole(result.result)
    size = len(msgspec.json.encode(whole))
    large = size > RESULT_BYTES
    return {
        "result": whole if large else masked(result.result),
        "result_bytes": size if large else None,
        "raw_result": json.dumps(result.result),
    }
