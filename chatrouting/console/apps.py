from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "chatrouting.console"
    label = "chatrouting_console"
    default = True
    default_auto_field = "django.db.models.BigAutoField"


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """`django.contrib.admin`, with the console's site as the default one."""

    default = False
    default_site = "chatrouting.console.site.ConsoleSite"
