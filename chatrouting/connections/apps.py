from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "chatrouting.connections"
    label = "chatrouting_connections"
    verbose_name = "Connections"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatrouting.conf import chat_settings
        from chatrouting.connections import revocation
        from routing_core.live import live_router

        revocation.watch()
        live_router().change(lambda table: table.with_switched_off(chat_settings().disabled_types))
