"""Handler: the decision about a call of a tool, by the person who started the run."""

from typing import Any

import msgspec
from msgspec import UNSET

from chatrouting.agents import approvals, runs
from chatrouting.agents.models import ToolCall
from chatrouting.agents.resuming import resume
from chatrouting.agents.tools import installed_tools
from chatrouting.chat.context import Context
from chatrouting.chat.decision_messages import DecideTool, DecisionRecorded
from chatrouting.chat.receipts import Done, once
from chatrouting.database import in_database
from routing_core.errors import InvalidPayload, NotFound, PermissionDenied
from routing_core.messages import broken_field, rule_broken


async def decide_tool(ctx: Context, message: DecideTool) -> DecisionRecorded:
    """Record the decision, tell the members of it, let the run go on. The first decision stands."""
    done = await in_database(_decide, ctx, message)
    if done.work is not None:
        await resume(done.work)
    return done.reply


def _decide(ctx: Context, message: DecideTool) -> Done[DecisionRecorded, ToolCall]:
    return once(ctx, message, DecisionRecorded, lambda: _record(ctx, message))


def _record(ctx: Context, message: DecideTool) -> tuple[DecisionRecorded, ToolCall]:
    call = _call(ctx, message)
    arguments = None if message.arguments is UNSET else message.arguments
    if arguments is not None and not call.approval.decision:
        _demand_valid(call.tool, arguments)
    approve = message.decision == "approve"
    decision = approvals.Decision(approve, ctx.connection_id, arguments)
    approval, first = approvals.decide(call, decision)
    reply = DecisionRecorded(call_id=call.call_id, decision=approval.decision, duplicate=not first)
    return reply, call


def _call(ctx: Context, message: DecideTool) -> ToolCall:
    run = runs.run_of(ctx.user.id, message.run_id)
    if str(run.user_id) != ctx.user.id:
        raise PermissionDenied
    asked = run.tool_calls.filter(call_id=message.call_id, approval__isnull=False)
    call = asked.select_related("approval", "run").first()
    if call is None:
        raise NotFound("There is no such call.")
    return call


def _demand_valid(name: str, arguments: dict[str, Any]) -> None:
    """Check what replaces the arguments. A tool that is not known here is checked by its worker."""
    found = installed_tools().get(name)
    if found is None:
        return
    try:
        found.parse(arguments)
    except msgspec.ValidationError as error:
        field = broken_field(error, "payload.arguments")
        raise InvalidPayload(rule_broken(error), field=field) from None
