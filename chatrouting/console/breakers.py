"""The breakers of all routes: how they stand, and an operator closes one."""

import logging
import time
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path

from chatrouting.connections.breakers import breaker_key, read, routes_guarded
from chatrouting.connections.models import Breaker
from chatrouting.console.readonly import ReadOnlyAdmin
from chatrouting.console.valkey import valkey_now
from chatrouting.stream.doorbell import ring_breaker_now

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the breaker of a route stands.

    `failures` counts those in a row, `users_shut_out` the people for whom alone it is shut, and
    `next_probe_seconds` is how long it is until one message is let in to try.
    """

    route: str
    state: str
    failures: int
    users_shut_out: int
    next_probe_seconds: float

    def as_row(self) -> dict[str, Any]:
        """For other programs."""
        return asdict(self)


def standings() -> list[Standing]:
    """Those of all routes, by name. Raises redis-py's errors where Valkey does not answer."""
    routes = routes_guarded()
    values: Any = valkey_now().mget([breaker_key(route) for route in routes])
    return [_standing(route, value) for route, value in zip(routes, values, strict=True)]


def _standing(route: str, value: bytes | None) -> Standing:
    breaker = read(value)
    circuit = breaker.everybody
    wait = max(0.0, circuit.until - time.time())
    failures = circuit.count if circuit.phase == "closed" else 0
    return Standing(route, circuit.phase.value, failures, breaker.shut_out, round(wait, 1))


def reset(route: str, by: str) -> bool:
    """Close it for all and forget its failures, in every process. False where there was nothing to forget.

    `by` names who did it, for the log. Raises redis-py's errors where Valkey does not answer.
    """
    forgotten = bool(valkey_now().delete(breaker_key(route)))
    ring_breaker_now(route)
    logger.info("%s resets the breaker of %s", by, route)
    return forgotten


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin):
    """One page: there are no rows to be looked at one by one."""

    def get_urls(self) -> list[Any]:
        info = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=info)]

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Who may close them."""
        return request.user.has_perm("chatrouting_connections.reset_breaker")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How they stand; a form of the page resets one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._reset(request, request.POST.get("route", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": "Breakers",
            "opts": self.opts,
            "may_reset": self.has_reset_permission(request),
            "breakers": _or_none(),
        }
        return render(request, "console/breakers.html", context)

    def _reset(self, request: HttpRequest, route: str) -> HttpResponse:
        """Every act stands in the admin's log."""
        if not self.has_reset_permission(request) or route not in routes_guarded():
            raise PermissionDenied
        try:
            reset(route, request.user.get_username())
        except redis.RedisError:
            self.message_user(request, "Valkey does not answer.", messages.ERROR)
        else:
            LogEntry.objects.create(
                user_id=str(request.user.pk),
                content_type=ContentType.objects.get_for_model(Breaker),
                object_id=route,
                object_repr=route,
                action_flag=CHANGE,
                change_message="Breaker reset.",
            )
            self.message_user(request, f"The breaker of {route} is reset.", messages.SUCCESS)
        return HttpResponseRedirect(request.path)


def _or_none() -> list[Standing] | None:
    """None where Valkey does not answer: the page says so."""
    try:
        return standings()
    except redis.RedisError:
        return None
