"""The side bar: what the console shows, in groups, as far as the person may view it."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from chatrouting.agents.models import Approval, DeadLetter, Run, Worker
from chatrouting.chat.models import Broadcast, Undelivered
from chatrouting.connections.models import Breaker, Connection, Process, Route
from chatrouting.threads.models import Thread, ThreadMessage

# Of each group: title, then rows of label, icon and model.
GROUPS: tuple[tuple[str, tuple[tuple[str, str, type[Model]], ...]], ...] = (
    (
        "Live",
        (
            ("Connections", "sensors", Connection),
            ("Processes", "dns", Process),
            ("Routes", "alt_route", Route),
            ("Breakers", "electrical_services", Breaker),
            ("Workers", "engineering", Worker),
        ),
    ),
    (
        "Chat",
        (
            ("Threads", "forum", Thread),
            ("Messages", "chat_bubble", ThreadMessage),
            ("Runs", "smart_toy", Run),
            ("Approvals", "approval", Approval),
            ("Dead letters", "unsubscribe", DeadLetter),
        ),
    ),
    (
        "Broadcasts",
        (("Broadcasts", "campaign", Broadcast), ("Undelivered", "unsubscribe", Undelivered)),
    ),
    ("Accounts", (("Users", "person", get_user_model()), ("Groups", "group", Group))),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """What unfold's setting `SIDEBAR` asks for."""
    now = {"title": "Now", "icon": "monitoring", "link": reverse("admin:index")}
    groups = [
        {"title": title, "items": [_item(*row) for row in rows if _viewed(request, row[2])]}
        for title, rows in GROUPS
    ]
    return [{"items": [now]}, *groups]


def _item(label: str, icon: str, model: type[Model]) -> dict[str, Any]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return {"title": label, "icon": icon, "link": reverse(name)}


def _viewed(request: HttpRequest, model: type[Model]) -> bool:
    """Whether it is shown, and to this person: a project may show no accounts."""
    shown = admin.site.is_registered(model)
    return shown and admin.site.get_model_admin(model).has_view_permission(request)
