"""The routing table as this process serves by it: every type, who handles it, and how its breaker stands."""

from typing import Any

import redis
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse

from chatrouting.connections.models import Breaker, Route
from chatrouting.console.breakers import standings
from chatrouting.console.readonly import ReadOnlyAdmin
from routing_core import router
from routing_core.live import live_router

UNKNOWN = "unknown"  # a breaker of which Valkey does not tell


def table(served: router.Router[Any]) -> list[dict[str, Any]]:
    """A row for each route: by type, and of one type in the order in which they are asked."""
    return [
        _row(served, route)
        for name, routes in sorted(served.types.items())
        for route in routes
        if name == route.message.type  # else an alias, which stands beside its type
    ]


def _row(served: router.Router[Any], route: router.Route[Any, Any]) -> dict[str, Any]:
    condition = route.condition
    return {
        "type": route.message.type,
        "aliases": ", ".join(route.message.aliases),
        "priority": route.priority,
        "condition": getattr(condition, "__qualname__", repr(condition)) if condition else "",
        "handler": route.name,
        "switched_off": route.message.type in served.switched_off,
    }


@admin.register(Route)
class RouteAdmin(ReadOnlyAdmin):
    """One page: there are no rows to be looked at one by one."""

    def get_urls(self) -> list[Any]:
        info = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=info)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The table; the breakers beside it for who may view them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        breakers = self._breakers(request)
        states = _states() if breakers else {}
        rows = [
            {**row, "breaker": states.get(row["type"], UNKNOWN)}
            for row in table(live_router().current())
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Routes",
            "opts": self.opts,
            "routes": rows,
            "breakers": breakers,
        }
        return render(request, "console/routes.html", context)

    def _breakers(self, request: HttpRequest) -> str:
        """The address of their page; none for who may not view it."""
        viewed = self.admin_site.get_model_admin(Breaker).has_view_permission(request)
        name = f"{self.admin_site.name}:{Breaker._meta.app_label}_breaker_changelist"
        return reverse(name) if viewed else ""


def _states() -> dict[str, str]:
    try:
        return {each.route: each.state for each in standings()}
    except redis.RedisError:
        return {}
