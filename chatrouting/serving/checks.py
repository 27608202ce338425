"""System checks of the project's own settings."""

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from chatrouting.conf import chat_settings


@register("chatrouting")
def check_settings(**kwargs: object) -> list[CheckMessage]:
    """Every key of `CHATROUTING` and of the environment is known and has a value it takes."""
    try:
        chat_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="chatrouting.E001")]
    return []
