"""The web processes, and which of them live."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.connections.models import Process
from chatrouting.console.living import processes_alive
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("name", "started_at", "seen_at", "sockets")
    list_display_links = None
    search_fields = ("host",)
    search_help_text = "Search by host or id"
    id_fields: ClassVar = {int: ("pid",)}
    ordering = ("started_at",)
    fields = ("id", "host", "pid", "started_at", "seen_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Process]:
        return processes_alive()

    @admin.display(description="process", ordering="host")
    def name(self, process: Process) -> str:
        return str(process)

    @admin.display(description="connections", ordering="sockets")
    def sockets(self, process: Any) -> int:
        return int(process.sockets)
