"""System checks of the routing table."""

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from routing_core.live import live_router

UNUSABLE = (TypeError, ValueError, ImproperlyConfigured)


@register("routing")
def check_router(**kwargs: object) -> list[CheckMessage]:
    try:
        live_router().current()
    except ImportError as error:
        hint = 'Set CHATROUTING["ROUTER"] to the dotted path of a routing_core.router.Router.'
        return [Error(f"The router cannot be imported: {error}", hint=hint, id="routing_core.E001")]
    except UNUSABLE as error:
        return [Error(f"The router is not usable: {error}", id="routing_core.E002")]
    return []


@register("routing")
def check_messages(**kwargs: object) -> list[CheckMessage]:
    """Every message has a docstring: it is its line in the protocol reference."""
    try:
        router = live_router().current()
    except (ImportError, *UNUSABLE):
        return []  # said by `check_router`
    return [
        Error(f"{route.message.__name__} has no docstring.", id="routing_core.E003")
        for route in router.routes
        if not route.message.__dict__.get("__doc__")
    ]
