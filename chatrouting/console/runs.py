"""Runs of agents, and what their tools did."""

import json
import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from chatrouting.accounts import name_field
from chatrouting.agents.dead_letters import ask_again
from chatrouting.agents.models import Run, ToolCall
from chatrouting.agents.statuses import Outcome, RunStatus
from chatrouting.agents.stopping import stop_now
from chatrouting.console.acting import Act, act
from chatrouting.console.durations import time_taken
from chatrouting.console.readonly import ReadOnlyAdmin, ReadOnlyInline

SHOWN = 2_000  # characters of a tool's arguments or result

STATUS_COLOURS = {
    RunStatus.QUEUED: "info",
    RunStatus.RUNNING: "primary",
    RunStatus.WAITING: "warning",
    RunStatus.COMPLETED: "default",
}
OUTCOME_COLOURS = {
    Outcome.SUCCESS: "success",
    Outcome.FAILED: "danger",
    Outcome.CANCELLED: "default",
    Outcome.TIMEOUT: "warning",
    Outcome.LOST: "danger",
}


def as_text(value: Any) -> str:
    """JSON to be read by a person, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text


class ToolCallInline(ReadOnlyInline):
    model = ToolCall
    verbose_name_plural = "tool calls"
    fields = ("tool", "status", "attempt", "given", "returned", "error_code", "started_at", "took")
    ordering = ("id",)

    @admin.display(description="arguments")
    def given(self, call: ToolCall) -> str:
        return as_text(call.arguments)

    @admin.display(description="result")
    def returned(self, call: ToolCall) -> str:
        return "" if call.result is None else as_text(call.result)

    @admin.display(description="took")
    def took(self, call: ToolCall) -> str:
        return "" if call.duration_ms is None else f"{call.duration_ms} ms"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "run_status",
        "run_outcome",
        "agent",
        "user",
        "thread",
        "attempt",
        "duration",
    )
    list_select_related = ("user", "thread")
    list_filter = ("status", "outcome")
    search_fields = (name_field("user__"), "agent", "trace_id")
    search_help_text = "Search by user name, agent, trace id, or the id of a run, thread or user"
    id_fields: ClassVar = {uuid.UUID: ("id", "thread_id"), int: ("user_id",)}
    ordering = ("-created_at",)
    actions = ("stop_these", "retry_these")
    inlines = (ToolCallInline,)
    readonly_fields = ("duration",)
    fieldsets = (
        (None, {"fields": ("id", "user", "thread", "agent", "question", "answer")}),
        (
            "State",
            {"fields": ("status", "outcome", "error_code", "error_text", "trace_id", "duration")},
        ),
        (
            "Course",
            {
                "fields": (
                    ("attempt", "fence"),
                    "worker",
                    ("created_at", "admitted_at"),
                    ("started_at", "finished_at"),
                    ("deadline", "lease_until"),
                    ("cancel_requested_at", "end_published_at"),
                    ("input_tokens", "output_tokens"),
                    "tools_used",
                )
            },
        ),
    )

    def has_stop_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers to stop runs."""
        return request.user.has_perm("chatrouting_agents.stop_run")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers to ask again."""
        return request.user.has_perm("chatrouting_agents.retry_run")

    @admin.action(description="Stop", permissions=["stop"])
    def stop_these(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        act(self, request, queryset, Act("Stopped.", stop_now))

    @admin.action(description="Ask their questions again", permissions=["retry"])
    def retry_these(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        act(self, request, queryset, Act("Asked again.", ask_again))

    @display(description="status", ordering="status", label=STATUS_COLOURS)  # type: ignore[untyped-decorator]  # because unfold has no types
    def run_status(self, run: Run) -> tuple[str, str]:
        return run.status, run.get_status_display()

    @display(description="outcome", ordering="outcome", label=OUTCOME_COLOURS)  # type: ignore[untyped-decorator]  # because unfold has no types
    def run_outcome(self, run: Run) -> tuple[str, str] | None:
        return (run.outcome, run.get_outcome_display()) if run.outcome else None

    @admin.display(description="duration")
    def duration(self, run: Run) -> str:
        return time_taken(run.started_at, run.finished_at)
