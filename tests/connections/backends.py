"""Authentication backends of a site that decides itself who may stay."""

from typing import Any

from django.contrib.auth.backends import AllowAllUsersModelBackend, ModelBackend


class AsksElsewhere(ModelBackend):
    """Knows its users from somewhere else, and those whose name begins with `gone` no longer."""

    def get_user(self, user_id: Any) -> Any:
        user = super().get_user(user_id)
        return None if user is None or user.get_username().startswith("gone") else user


class Particular(ModelBackend):
    """Django's own, but for whom it lets in."""

    def user_can_authenticate(self, user: Any) -> bool:
        return not user.get_username().startswith("gone")


class Lenient(AllowAllUsersModelBackend):
    """Lets everybody in, also whose account is disabled."""
