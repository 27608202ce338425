from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "chatrouting.connections"
    label = "chatrouting_connections"
    verbose_name = "Connections"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from chatrouting.connections import revocation

        revocation.watch()
