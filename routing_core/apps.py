from django.apps import AppConfig


class RoutingCoreConfig(AppConfig):
    name = "routing_core"

    def ready(self) -> None:
        from routing_core import checks  # noqa: F401 - reason: registers the checks
