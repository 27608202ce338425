"""Commands of an operator: what fails outside of them is told in one line, with what to do about it."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db import DatabaseError
from redis.exceptions import RedisError

from chatrouting.accounts import name_field
from routing_core.management.piped import PipedCommand


class OperatorCommand(PipedCommand):
    """A command that needs the database or Valkey."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """As Django's. Raises `CommandError` where the database or Valkey does not answer."""
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            raise no_database(error) from None
        except RedisError as error:
            raise CommandError(
                f"Valkey does not answer ({error}). Start `make run`, or set REDIS_URL."
            ) from None


def no_database(error: DatabaseError) -> CommandError:
    """Why the database cannot be used, in one line."""
    why = next(iter(str(error).splitlines()), type(error).__name__)
    return CommandError(
        f"The database is not usable ({why}). Run `manage.py migrate`, or look at DATABASE_URL."
    )


def person_named(name: str) -> Any:
    """The account with this name. Raises `CommandError` where nobody has it."""
    people = get_user_model()._default_manager
    person = people.filter(**{name_field(): name}).first()
    if person is None:
        raise CommandError(f"Nobody has the name {name!r}.")
    return person


def demand_positive(options: Mapping[str, Any], *names: str) -> None:
    """Raises `CommandError` where one of these options is not more than 0."""
    for name in names:
        if options[name] <= 0:
            raise CommandError(f"--{name} is {options[name]}; it must be more than 0.")
