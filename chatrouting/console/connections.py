"""Who is connected now."""

import uuid
from typing import ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from chatrouting.accounts import name_field
from chatrouting.connections.models import Connection
from chatrouting.console.browsers import browser_name
from chatrouting.console.disconnecting import NOT_YET, disconnect
from chatrouting.console.living import connections_alive
from chatrouting.console.readonly import ReadOnlyAdmin


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = ("user", "since", "address", "browser", "process", "last_seen", "position")
    list_select_related = ("user", "process")
    search_fields = (name_field("user__"), "address")
    search_help_text = "Search by user name, address, or the id of a user or connection"
    id_fields: ClassVar = {uuid.UUID: ("id", "process_id"), int: ("user_id",)}
    ordering = ("-opened_at",)
    actions = ("disconnect_these", "disconnect_their_people")
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

    def has_disconnect_permission(self, request: HttpRequest) -> bool:
        """Asked by the admin before it offers the actions below."""
        return request.user.has_perm("chatrouting_connections.disconnect")

    @admin.action(description="Disconnect", permissions=["disconnect"])
    def disconnect_these(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        self._disconnect(request, queryset)

    @admin.action(description="Disconnect all of these people", permissions=["disconnect"])
    def disconnect_their_people(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        people = set(queryset.values_list("user_id", flat=True))
        self._disconnect(request, connections_alive().filter(user_id__in=people))

    def _disconnect(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        """Every act stands in the admin's log, also where the rows are gone soon after."""
        LogEntry.objects.log_actions(
            str(request.user.pk), queryset, CHANGE, change_message="Disconnected."
        )
        done = disconnect(queryset, request.user.get_username())
        if done.closed:
            self.message_user(request, f"{done.closed} disconnected.", messages.SUCCESS)
        if done.open:
            self.message_user(request, f"{done.open} {NOT_YET}", messages.WARNING)

    @admin.display(description="since", ordering="opened_at")
    def since(self, connection: Connection) -> object:
        return connection.opened_at

    @admin.display(description="last seen", ordering="seen_at")
    def last_seen(self, connection: Connection) -> object:
        return connection.seen_at

    @admin.display(description="browser", ordering="user_agent")
    def browser(self, connection: Connection) -> str:
        return browser_name(connection.user_agent)
