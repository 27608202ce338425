from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "chatrouting.console"
    label = "chatrouting_console"
    default_auto_field = "django.db.models.BigAutoField"
