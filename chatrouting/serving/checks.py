"""System checks of the project's own settings."""

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from chatrouting.conf import chat_settings
from chatrouting.serving.proxies import Trusted


@register("chatrouting")
def check_settings(**kwargs: object) -> list[CheckMessage]:
    """Every key of `CHATROUTING` and of the environment is known and has a value it takes."""
    try:
        chat_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="chatrouting.E001")]
    return []


@register("chatrouting")
def check_trusted_proxies(**kwargs: object) -> list[CheckMessage]:
    """Every entry of `TRUSTED_PROXIES` names somebody."""
    try:
        Trusted.from_entries(getattr(settings, "TRUSTED_PROXIES", ()))
    except ImproperlyConfigured as error:
        return [Error(str(error), id="chatrouting.E002")]
    return []
