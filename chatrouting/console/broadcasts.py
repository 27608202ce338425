"""What many were told, and whom it has not reached."""

import uuid
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.accounts import name_field
from chatrouting.chat import undelivered
from chatrouting.chat.broadcasts import PERMISSION
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.console.acting import Act, act
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(Broadcast)
class BroadcastAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "level", "sender", "created_at", "progress", "completed_at")
    list_select_related = ("sender",)
    list_filter = ("level",)
    search_fields = ("content", name_field("sender__"))
    search_help_text = "Search by text, sender's name, or the id of a broadcast"
    id_fields: ClassVar = {uuid.UUID: ("id",), int: ("sender_id",)}
    ordering = ("-created_at",)
    fields = (
        "id", "sender", "level", "content", "audience", "created_at", "progress", "completed_at",
    )  # fmt: skip

    @admin.display(description="reached")
    def progress(self, broadcast: Broadcast) -> str:
        return f"{broadcast.reached} of {broadcast.total}"


@admin.register(Undelivered)
class UndeliveredAdmin(ReadOnlyAdmin):
    list_display = ("user", "broadcast", "reason", "tries", "due_at")
    list_select_related = ("user", "broadcast")
    search_fields = (name_field("user__"), "reason")
    ordering = ("-pk",)
    actions = ("try_again", "discard_these")
    fields = ("broadcast", "user", "reason", "tries", "due_at")

    def has_broadcast_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers the actions below."""
        return request.user.has_perm(PERMISSION)

    @admin.action(description="Try again", permissions=["broadcast"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Undelivered]) -> None:
        act(self, request, queryset, Act("Tried again soon.", undelivered.replay))

    @admin.action(description="Discard", permissions=["broadcast"])
    def discard_these(self, request: HttpRequest, queryset: QuerySet[Undelivered]) -> None:
        act(self, request, queryset, Act("Discarded.", undelivered.discard))
