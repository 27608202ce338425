"""Threads, who is in them, and what was said."""

import uuid
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from chatrouting.accounts import name_field
from chatrouting.console.readonly import ReadOnlyAdmin, ReadOnlyInline
from chatrouting.threads.models import Thread, ThreadMember, ThreadMessage

SHOWN = 200  # characters of a message in a list


@admin.display(description="message")
def beginning(message: ThreadMessage) -> str:
    """The message, cut where it is long."""
    text = message.content
    return f"{text[:SHOWN]}…" if len(text) > SHOWN else text or "(empty)"


class MemberInline(ReadOnlyInline):
    model = ThreadMember
    verbose_name_plural = "members"
    fields = ("user", "role", "joined_at")
    ordering = ("joined_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ThreadMember]:
        members: QuerySet[ThreadMember] = super().get_queryset(request)
        return members.select_related("user")


class MessageInline(ReadOnlyInline):
    model = ThreadMessage
    verbose_name_plural = "messages"
    fields = ("position", "role", "author_name", "created_at", "words")
    ordering = ("position",)

    @admin.display(description="message")
    def words(self, message: ThreadMessage) -> str:
        place = reverse("admin:chatrouting_threads_threadmessage_change", args=[message.pk])
        return format_html('<a href="{}">{}</a>', place, beginning(message))


@admin.register(Thread)
class ThreadAdmin(ReadOnlyAdmin):
    list_display = ("title", "owner", "created_at", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("title", name_field("owner__"))
    search_help_text = "Search by title, owner's user name, or the id of a thread or owner"
    id_fields: ClassVar = {uuid.UUID: ("id",), int: ("owner_id",)}
    ordering = ("-updated_at",)
    fields = ("id", "title", "owner", "created_at", "updated_at")
    inlines = (MessageInline, MemberInline)


@admin.register(ThreadMessage)
class ThreadMessageAdmin(ReadOnlyAdmin):
    list_display = (beginning, "role", "author_name", "thread", "created_at")
    list_select_related = ("thread",)
    list_filter = ("role",)
    search_fields = ("content", name_field("author__"))
    search_help_text = "Search by text, user name, or the id of a message, thread or author"
    id_fields: ClassVar = {uuid.UUID: ("id", "thread_id"), int: ("author_id",)}
    ordering = ("-created_at",)
    fields = ("id", "thread", "position", "role", "author", "author_name", "created_at", "content")
