"""Who is connected now."""

import uuid
from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.connections.models import Connection
from chatrouting.console.browsers import browser_name
from chatrouting.console.living import connections_alive
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = ("user", "since", "address", "browser", "process", "last_seen", "position")
    list_select_related = ("user", "process")
    search_fields = ("user__username", "address")
    search_help_text = "Search by user name, address, or the id of a user or connection"
    id_fields: ClassVar = {uuid.UUID: ("id", "process_id"), int: ("user_id",)}
    ordering = ("-opened_at",)
    fields = (
        "id",
        "user",
        "since",
        "address",
        "browser",
        "user_agent",
        "process",
        "last_seen",
        "position",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return connections_alive()

    @admin.display(description="since", ordering="opened_at")
    def since(self, connection: Connection) -> object:
        return connection.opened_at

    @admin.display(description="last seen", ordering="seen_at")
    def last_seen(self, connection: Connection) -> object:
        return connection.seen_at

    @admin.display(description="browser", ordering="user_agent")
    def browser(self, connection: Connection) -> str:
        return browser_name(connection.user_agent)
