"""A Valkey that is not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.test import override_settings


@contextmanager
def valkey_away(folder: Path) -> Iterator[None]:
    """Nobody listens where Valkey is looked for."""
    with override_settings(REDIS_URL=f"unix://{folder}/nobody.sock"):
        yield
