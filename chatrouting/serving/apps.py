from django.apps import AppConfig


class ServingConfig(AppConfig):
    name = "chatrouting.serving"
    label = "chatrouting_serving"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatrouting.serving import checks  # noqa: F401 - reason: registers the checks
