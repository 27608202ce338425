from django.apps import AppConfig


class TestingConfig(AppConfig):
    """What checks a running system: the commands of it, and what a project's own tests use."""

    name = "chatrouting.testing"
    label = "chatrouting_testing"
