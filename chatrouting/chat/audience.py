"""Whom a broadcast is for."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from msgspec import UNSET

from chatrouting.chat.messages import Audience
from routing_core.errors import InvalidPayload

FIELD = "payload.audience"


def recipients(audience: Audience) -> QuerySet[Any]:
    """The active users it names, in the order of their keys. Raises `InvalidPayload` where it names none."""
    given = [name for name in Audience.__struct_fields__ if getattr(audience, name) is not UNSET]
    if len(given) != 1:
        names = ", ".join(Audience.__struct_fields__)
        raise InvalidPayload(f"An audience has exactly one of {names}.", field=FIELD)
    active = get_user_model()._default_manager.filter(is_active=True)
    return active.filter(_chosen(audience)).order_by("pk").distinct()


def _chosen(audience: Audience) -> Q:
    if audience.users is not UNSET:
        return Q(pk__in=_keys(audience.users, "users"))
    if audience.exclude is not UNSET:
        return ~Q(pk__in=_keys(audience.exclude, "exclude"))
    if audience.permission is not UNSET:
        return _holders(audience.permission)
    if audience.all is not True:
        raise InvalidPayload("all can only be true.", field=f"{FIELD}.all")
    return Q()


def _keys(ids: Sequence[str], name: str) -> list[Any]:
    try:
        return [_key(each) for each in ids]
    except ValidationError:
        raise InvalidPayload("This is no user's id.", field=f"{FIELD}.{name}") from None


def _key(given: str) -> Any:
    """The key that is written so. Raises Django's `ValidationError` for another spelling of it, as ` 7 `."""
    field = get_user_model()._meta.pk
    key = field.to_python(given)
    field.run_validators(key)
    if str(key) != given:
        raise ValidationError("Not as ids are written.")
    return key


def _holders(permission: str) -> Q:
    """Who has it as Django's model backend sees it: themselves, by a group, or as superuser."""
    app, _, codename = permission.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename)
    if not found.exists():
        text = "There is no such permission; it is written as app.codename."
        raise InvalidPayload(text, field=f"{FIELD}.permission")
    own = Q(user_permissions__in=found) | Q(groups__permissions__in=found)
    return own | Q(is_superuser=True)
