"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path

from chatrouting.console import health

urlpatterns = [
    path("", include("chatrouting.chat.urls")),
    path("", include("chatrouting.agents.urls")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
