"""System checks of the project's own settings."""

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from chatrouting.agents.tools import installed_tools
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


@register("chatrouting")
def check_model_tools(**kwargs: object) -> list[CheckMessage]:
    """Every tool that a model is to be offered is installed."""
    try:
        conf = chat_settings()
    except ImproperlyConfigured:
        return []  # E001 says it
    unknown = sorted(set(conf.model_tools) - set(installed_tools())) if conf.model else []
    if not unknown:
        return []
    known = ", ".join(sorted(installed_tools()))
    text = f"CHATROUTING MODEL_TOOLS names {unknown[0]!r}; the tools are {known}."
    return [Error(text, id="chatrouting.E003")]
