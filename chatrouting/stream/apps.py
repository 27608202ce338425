from django.apps import AppConfig


class StreamConfig(AppConfig):
    name = "chatrouting.stream"
    label = "chatrouting_stream"
    default_auto_field = "django.db.models.BigAutoField"
