"""What many were told, and whom it has not reached."""

import uuid
from typing import ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from chatrouting.accounts import name_field
from chatrouting.chat.broadcasts import PERMISSION
from chatrouting.chat.models import Broadcast, Undelivered
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
    actions = ("try_again",)
    fields = ("broadcast", "user", "reason", "tries", "due_at")

    def has_broadcast_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers the action below."""
        return request.user.has_perm(PERMISSION)

    @admin.action(description="Try again", permissions=["broadcast"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Undelivered]) -> None:
        LogEntry.objects.log_actions(
            str(request.user.pk), queryset, CHANGE, change_message="Tried again."
        )
        count = queryset.update(due_at=timezone.now())
        self.message_user(request, f"{count} tried again soon.", messages.SUCCESS)
