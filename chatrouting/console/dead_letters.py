"""What failed for good, to be looked at, replayed and discarded."""

import uuid
from functools import partial
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.accounts import name_field
from chatrouting.agents import dead_letters
from chatrouting.agents.models import DeadLetter
from chatrouting.console.acting import Act, act
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "state", "tries", "reason", "run", "decided_by")
    list_select_related = ("run",)
    list_filter = ("kind", "state")
    search_fields = ("reason", name_field("run__user__"))
    search_help_text = "Search by reason, user name, or the id of a run"
    id_fields: ClassVar = {uuid.UUID: ("run_id",)}
    ordering = ("-created_at",)
    actions = ("replay_these", "discard_these")
    fields = (
        "kind", "state", "run", "tries", "reason", "created_at", "next_at", "decided_at",
        "decided_by",
    )  # fmt: skip

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers the actions below."""
        return request.user.has_perm("chatrouting_agents.decide_deadletter")

    @admin.action(description="Replay", permissions=["decide"])
    def replay_these(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        name = request.user.get_username()
        act(self, request, queryset, Act("Replayed.", partial(dead_letters.replay, by=name)))

    @admin.action(description="Discard", permissions=["decide"])
    def discard_these(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        name = request.user.get_username()
        act(self, request, queryset, Act("Discarded.", partial(dead_letters.discard, by=name)))
