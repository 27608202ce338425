"""An operator's act on rows of a list: on each by itself, in the admin's log, and told how it went."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from routing_core.errors import RoutingError


@dataclass(frozen=True, slots=True)
class Act:
    """What is done with each row, and the words for it in the log."""

    done: str
    do: Callable[[Any], object]


def act(shown: "ModelAdmin[Any]", request: HttpRequest, rows: QuerySet[Any], asked: Act) -> None:
    """Do it with each; what is refused stays as it was, and the reason is shown once."""
    acted, refused = [], set()
    for row in rows:
        try:
            asked.do(row)
        except (ValueError, RoutingError) as error:
            refused.add(str(error))
        else:
            acted.append(row)
    if acted:
        LogEntry.objects.log_actions(str(request.user.pk), acted, CHANGE, change_message=asked.done)
        shown.message_user(request, f"{len(acted)}: {asked.done}", messages.SUCCESS)
    for reason in sorted(refused):
        shown.message_user(request, reason, messages.WARNING)
