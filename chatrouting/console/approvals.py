"""Calls that wait for a decision, and what was decided. An operator may decide where nobody else does."""

import uuid
from functools import partial
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.accounts import name_field
from chatrouting.agents.approvals import Decision, decide
from chatrouting.agents.models import Approval
from chatrouting.console.acting import Act, act
from chatrouting.console.readonly import ReadOnlyAdmin
from chatrouting.console.runs import as_text


def decided(approval: Approval, *, approve: bool) -> None:
    """Decide in the place of who started the run; a worker's next round goes on with it.

    Raises `ValueError` where somebody was first, or it is too late.
    """
    _, first = decide(approval.call, Decision(approve, by_connection=""))
    if not first:
        raise ValueError(f"{approval.call}: this was decided already, or too late.")


@admin.register(Approval)
class ApprovalAdmin(ReadOnlyAdmin):
    list_display = ("tool", "person", "given", "outcome", "expires_at", "decided_at")
    list_select_related = ("call__run__user",)
    list_filter = ("decision",)
    search_fields = ("call__tool", name_field("call__run__user__"))
    search_help_text = "Search by tool, user name, or the id of a run or user"
    id_fields: ClassVar = {uuid.UUID: ("call__run_id",), int: ("call__run__user_id",)}
    ordering = ("-expires_at",)
    actions = ("approve_these", "deny_these")
    fields = ("tool", "person", "given", "outcome", "arguments", "expires_at", "decided_at")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers the actions below."""
        return request.user.has_perm("chatrouting_agents.decide_call")

    @admin.action(description="Approve", permissions=["decide"])
    def approve_these(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        act(self, request, queryset, Act("Approved.", partial(decided, approve=True)))

    @admin.action(description="Deny", permissions=["decide"])
    def deny_these(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        act(self, request, queryset, Act("Denied.", partial(decided, approve=False)))

    @admin.display(description="tool", ordering="call__tool")
    def tool(self, approval: Approval) -> str:
        return approval.call.tool

    @admin.display(description="asked by", ordering=name_field("call__run__user__"))
    def person(self, approval: Approval) -> object:
        return approval.call.run.user

    @admin.display(description="arguments")
    def given(self, approval: Approval) -> str:
        return as_text(approval.call.arguments)

    @admin.display(description="decision", ordering="decision")
    def outcome(self, approval: Approval) -> str:
        if approval.expired:
            return "expired"
        return approval.get_decision_display() or "waits"
