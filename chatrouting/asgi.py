"""The ASGI application: pages by Django, sockets by Channels, behind the proxies that are trusted."""

import os
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatrouting.settings")
pages = get_asgi_application()

# Consumers need the installed apps, which the line above loads.
from django.urls import path  # noqa: E402 - reason: after the apps are loaded

from chatrouting.connections.consumer import ChatConsumer  # noqa: E402 - reason: as above
from chatrouting.connections.dispatching import chat_dispatcher  # noqa: E402 - reason: as above
from chatrouting.connections.origins import OriginGuard  # noqa: E402 - reason: as above
from chatrouting.serving.proxies import (  # noqa: E402 - reason: as above
    Trusted,
    TrustedProxies,
)

chat = ChatConsumer.as_asgi(dispatcher=chat_dispatcher())

application = TrustedProxies(
    ProtocolTypeRouter(
        {"http": pages, "websocket": OriginGuard(URLRouter([path("ws/chat/", cast(Any, chat))]))}
    ),
    Trusted.from_entries(settings.TRUSTED_PROXIES),
)
