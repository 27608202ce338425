from django.apps import AppConfig


class ThreadsConfig(AppConfig):
    name = "chatrouting.threads"
    label = "chatrouting_threads"
    default_auto_field = "django.db.models.BigAutoField"
