"""The models that stand for accounts, and the field that names one: whatever user model a project has.

Django's signals name the class that was used, and are not sent for those it derives from: a project may save
and delete its users as a proxy of the user model, or as a model that inherits from it.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model


def account_models() -> list[type[Any]]:
    """The user model and all that derive from it, as far as they are loaded: what accounts are saved as."""
    return list(_family(get_user_model()))


def account_tables() -> list[type[Any]]:
    """The user model and its proxies: a deletion is told of one of them, also where it was of a derived one."""
    user_model = get_user_model()
    return [model for model in account_models() if model._meta.concrete_model is user_model]


def name_field(at: str = "") -> str:
    """The field that holds the name of an account. `at` leads from what is filtered to it: `user__`."""
    return f"{at}{get_user_model().USERNAME_FIELD}"


def _family(model: type[Any]) -> Iterator[type[Any]]:
    yield model
    for derived in model.__subclasses__():
        yield from _family(derived)
