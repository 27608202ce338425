"""A person's decision about a call: asked for, made once, acted upon; and the run that waits for it meanwhile.

A decision is a compare-and-set on the approval's row. Whoever makes it lets the run go on with `wake`, in a
transaction of its own: where the run was about to wait and did not yet, it looks for decisions itself.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from msgspec.structs import replace

from chatrouting.agents import journal
from chatrouting.agents.admission import UserId, admit, alone_after
from chatrouting.agents.contract import ToolResult, ToolStatus, Usage
from chatrouting.agents.journal import RunOver, shown_arguments
from chatrouting.agents.messages import ApprovalRequired, ApprovalResolved, ToolExecuting
from chatrouting.agents.models import Approval, Run, SavedState, ToolCall
from chatrouting.agents.statuses import RunStatus
from chatrouting.conf import chat_settings
from chatrouting.threads.models import Thread
from routing_core.envelope import timestamp

DENIED = ("denied_by_user", "The person who started the run did not allow this call.")
EXPIRED = ("approval_expired", "Nobody decided about this call in time.")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides. `arguments`, where given, replace those of the model."""

    approve: bool
    by_connection: str
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a run has told when it begins to wait."""

    text: str
    thoughts: int
    tools_used: tuple[str, ...]
    usage: Usage | None


@transaction.atomic
def require(run: Run, call: ToolCall) -> Approval:
    """The call waits for a decision from now on. Raises `RunOver` where it has ended, or the run moved on."""
    if not journal.still_open(run, call).update(status=ToolCall.Status.WAITING):
        raise RunOver
    until = timezone.now() + timedelta(seconds=chat_settings().approval_seconds)
    approval, _ = Approval.objects.get_or_create(call=call, defaults={"expires_at": until})
    return approval


def decide(call: ToolCall, decision: Decision) -> tuple[Approval, bool]:
    """Record the decision; the one that stands, and whether it is this one."""
    now = timezone.now()
    undecided = Approval.objects.filter(pk=call.pk, decision="")
    replaced = "" if decision.arguments is None else json.dumps(decision.arguments)
    chosen = Approval.Decision.APPROVE if decision.approve else Approval.Decision.DENY
    won = undecided.filter(expires_at__gt=now).update(
        decision=chosen,
        arguments=replaced if decision.approve else "",
        by_connection=decision.by_connection,
        decided_at=now,
    )
    if not won:
        _deny(undecided, now)
    return Approval.objects.get(pk=call.pk), bool(won)


def expire(now: datetime, limit: int) -> list[ToolCall]:
    """Deny what nobody decided about in time. Returns the calls it denied."""
    late = Approval.objects.filter(decision="", expires_at__lte=now).order_by("expires_at")
    found = list(late.select_related("call__run")[:limit])
    return [each.call for each in found if _deny(Approval.objects.filter(pk=each.pk), now)]


def close(run: Run) -> None:
    """The run ends: nothing is left to decide. Call it in the transaction."""
    left = list(run.tool_calls.filter(approval__decision="").values_list("pk", flat=True))
    if left:
        _deny(Approval.objects.filter(pk__in=left), timezone.now())


@transaction.atomic
def close_early(run: Run) -> bool:
    """As `close`, of a run about to end, so that this is told before its calls end. False where it moved on."""
    is_held = journal.held(run).exists()
    if is_held:
        close(run)
    return is_held


@transaction.atomic
def start(run: Run, call: ToolCall) -> None:
    """Note that the approved call is about to be made. Raises `RunOver` as `require` does."""
    if not journal.still_open(run, call).update(status=ToolCall.Status.STARTED):
        raise RunOver


def end(run: Run, call: ToolCall, result: ToolResult, duration_ms: int) -> ToolCall:
    """End the call: nothing is left to decide about it. Returns and raises what `journal.end` does."""
    kept = journal.kept_of(result, duration_ms)
    with transaction.atomic():
        row = journal.end(run, call, kept)
        approval = read_with(row)
        if approval is not None and not approval.decision:
            _deny(Approval.objects.filter(pk=row.pk), timezone.now())
            approval.refresh_from_db()
    return row


def of(call: ToolCall) -> Approval | None:
    """What was asked about this call; None where nothing was."""
    return Approval.objects.filter(pk=call.pk).first()


def read_with(call: ToolCall) -> Approval | None:
    """The same, of a call that was read together with it."""
    return getattr(call, "approval", None)


def refused(call: ToolCall, approval: Approval) -> ToolResult | None:
    """How a call ends that was not approved; None where it was."""
    if approval.decision == Approval.Decision.APPROVE:
        return None
    code, text = EXPIRED if approval.expired else DENIED
    return ToolResult(call.call_id, ToolStatus.DENIED, code=code, text=text)


def arguments_of(call: ToolCall, approval: Approval) -> dict[str, Any]:
    """What the call is made with: what the person put in place of what the model gave."""
    arguments: dict[str, Any] = json.loads(approval.arguments or call.raw_arguments)
    return arguments


@transaction.atomic
def begin_waiting(run: Run, shown: Shown) -> list[Run] | None:
    """Let go of a run until there is a decision. Returns the runs of its user that may begin meanwhile.

    Again, where the answer of the first time was lost, it returns those that no worker has had yet. None where
    the run is to be stopped. Raises `RunOver` where another worker has it.
    """
    Thread.objects.select_for_update().filter(pk=run.thread_id).first()
    users = alone_after(run)
    usage = shown.usage
    unstopped = journal.held(run).filter(cancel_requested_at=None)
    waits = unstopped.update(
        status=RunStatus.WAITING,
        worker="",
        lease_until=None,
        waiting_since=timezone.now(),
        tools_used=list(shown.tools_used),
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
    )
    if not waits:
        return _admitted_before(run, users)
    SavedState.objects.update_or_create(
        run=run, defaults={"shown_text": shown.text, "shown_thoughts": shown.thoughts}
    )
    return admit(users)


def _admitted_before(run: Run, users: Iterable[UserId]) -> list[Run] | None:
    """What `begin_waiting` returns of a run that it could not let go of, or had let go of already."""
    found = Run.objects.select_for_update(no_key=True).filter(pk=run.pk, fence=run.fence).first()
    if found is None:
        raise RunOver
    if found.status == RunStatus.RUNNING and found.cancel_requested_at is not None:
        return None
    return list(Run.objects.filter(user_id__in=users, status=RunStatus.RUNNING, fence=0))


def wake(run_id: UUID) -> Run | None:
    """Let a waiting run go on where there is a decision to act upon; the run, which is to be enqueued."""
    decided = Approval.objects.filter(
        call__run_id=run_id, call__status=ToolCall.Status.WAITING
    ).exclude(decision="")
    waiting = Run.objects.filter(pk=run_id, status=RunStatus.WAITING)
    if not decided.exists():
        return None
    woken = waiting.update(status=RunStatus.RUNNING, admitted_at=timezone.now())
    return Run.objects.get(pk=run_id) if woken else None


def overlooked(limit: int) -> list[UUID]:
    """Runs that wait although there is a decision: who made it did not come to `wake` them."""
    waiting = Run.objects.filter(
        status=RunStatus.WAITING,
        tool_calls__status=ToolCall.Status.WAITING,
        tool_calls__approval__decision__in=Approval.Decision.values,
    )
    return list(waiting.values_list("id", flat=True).distinct()[:limit])


def stopped(limit: int) -> list[Run]:
    """Runs that wait although they are to be stopped."""
    found = Run.objects.filter(status=RunStatus.WAITING, cancel_requested_at__isnull=False)
    return list(found.select_related("question")[:limit])


def told_before_end(
    call: ToolCall, approval: Approval | None
) -> list[ToolExecuting | ApprovalRequired | ApprovalResolved]:
    """All that is said of a call before its end, in order. Each counts once, under its key, whoever says it."""
    return [journal.told_begin(call), *told_asked(call, approval)]


def told_asked(
    call: ToolCall, approval: Approval | None
) -> list[ApprovalRequired | ApprovalResolved]:
    """The question about a call, and the decision that there is; nothing where nothing was asked."""
    if approval is None:
        return []
    required = told_required(call, approval)
    return [required, told_resolved(call, approval)] if approval.decision else [required]


def told_required(call: ToolCall, approval: Approval) -> ApprovalRequired:
    """What the members are asked."""
    return ApprovalRequired(
        call_id=call.call_id,
        tool=call.tool,
        arguments=call.arguments,
        expires_at=timestamp(approval.expires_at),
    )


def told_resolved(call: ToolCall, approval: Approval) -> ApprovalResolved:
    """What the members are told of the decision."""
    told = ApprovalResolved(
        call_id=call.call_id,
        decision=approval.decision,
        by_connection=approval.by_connection or None,
    )
    if not approval.arguments:
        return told
    return replace(told, arguments=shown_arguments(json.loads(approval.arguments)))


def _deny(approvals: QuerySet[Approval], now: datetime) -> bool:
    """Nobody decides any more. The condition is on the row alone: so it holds also for one that changes now."""
    denied = {"decision": Approval.Decision.DENY, "expired": True, "decided_at": now}
    return bool(approvals.filter(decision="").update(**denied))
