"""A proxy of the user model, as a project has one for an admin of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model

from chatrouting.chat import departure
from chatrouting.connections import revocation

NAME = "colleague"


@contextmanager
def a_proxy() -> Iterator[type[Any]]:
    """It is there while the block lasts: no migration knows of it."""
    model, models = _colleague(), apps.all_models["auth"]
    models[NAME] = model
    apps.clear_cache()
    departure.watch()
    revocation.watch()
    try:
        yield model
    finally:
        del models[NAME]
        apps.clear_cache()


@cache
def _colleague() -> type[Any]:
    class Colleague(get_user_model()):  # type: ignore[misc]  # reason: which it is the settings say
        class Meta:
            proxy = True
            app_label = "auth"

    return Colleague
