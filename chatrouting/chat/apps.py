from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chatrouting.chat"
    label = "chatrouting_chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatrouting.chat import departure

        departure.watch()
