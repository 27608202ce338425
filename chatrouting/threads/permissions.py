"""What a person may do beyond their own threads: Django's permissions, asked by user id."""

from django.contrib.auth import get_user_model

from routing_core.errors import PermissionDenied


def permitted(user_id: str, permission: str) -> bool:
    """Whether this user, where active, has the permission, named as in `chatrouting_chat.broadcast`."""
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    return user is not None and user.has_perm(permission)


def demand(user_id: str, permission: str) -> None:
    """Raises `PermissionDenied`, which says nothing about what is protected."""
    if not permitted(user_id, permission):
        raise PermissionDenied
