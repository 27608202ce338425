from django.apps import AppConfig


class ThreadsConfig(AppConfig):
    name = "chatrouting.threads"
    label = "chatrouting_threads"
    verbose_name = "Threads"
    default_auto_field = "django.db.models.BigAutoField"
