"""The workers that live, and how much they have to do."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.agents.models import Worker
from chatrouting.agents.workers import alive
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "runs", "concurrency", "queues", "started_at", "seen_at")
    search_fields = ("host",)
    search_help_text = "Search by host"
    ordering = ("started_at",)
    fields = ("id", "host", "pid", "runs", "concurrency", "queues", "started_at", "seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        return alive()
