"""System checks of the routing table."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from routing_core.router import Router


def configured_router() -> Router[Any]:
    """The table that `CHATROUTING["ROUTER"]` points to. Raises `ImportError` or `TypeError`."""
    path = getattr(settings, "CHATROUTING", {}).get("ROUTER", "")
    router = import_string(path)
    if not isinstance(router, Router):
        raise TypeError(f"{path} is a {type(router).__name__}, not a Router")
    return router


@register("routing")
def check_router(**kwargs: object) -> list[CheckMessage]:
    try:
        configured_router()
    except ImportError as error:
        hint = 'Set CHATROUTING["ROUTER"] to the dotted path of a routing_core.router.Router.'
        return [Error(f"The router cannot be imported: {error}", hint=hint, id="routing_core.E001")]
    except (TypeError, ValueError) as error:
        return [Error(f"The router is not usable: {error}", id="routing_core.E002")]
    return []


@register("routing")
def check_messages(**kwargs: object) -> list[CheckMessage]:
    """Every message has a docstring: it is its line in the protocol reference."""
    try:
        router = configured_router()
    except (ImportError, TypeError, ValueError):
        return []  # said by `check_router`
    return [
        Error(f"{route.message.__name__} has no docstring.", id="routing_core.E003")
        for route in router.routes
        if not route.message.__dict__.get("__doc__")
    ]
