"""The ASGI application, as Channels' documentation has it."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.stock.settings"  # not those of the bench
pages = get_asgi_application()

from tests.benchmarks.stock.consumers import ChatConsumer  # noqa: E402 - reason: after the apps are loaded

application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": AuthMiddlewareStack(URLRouter([path("ws/chat/", ChatConsumer.as_asgi())])),
    }
)
