"""A PostgreSQL database for the tests of one process alone, beside the one that is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

PREFIX = "test_"


def own_url(url: str, worker: str = "") -> str:
    """The address of `test_NAME`, or of `test_NAME_gw0` for that worker of several.

    One that is not of PostgreSQL stays as it is.
    """
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres"):
        return url
    name = "_".join(filter(None, (parts.path.strip("/"), worker)))
    return urlunsplit(parts._replace(path=f"/{PREFIX}{name}"))


@contextmanager
def created(settings: dict[str, Any]) -> Iterator[None]:
    """The empty database that Django's settings name is there; whatever has that name goes, and goes after.

    Raises `AssertionError` where the name is not one of `own_url`. The user needs the right to create one.
    """
    name = settings["NAME"]
    assert name.startswith(PREFIX), f"the tests would remove {name}"
    server = {key: settings[key.upper()] for key in ("host", "port", "user", "password")}
    given = {key: value for key, value in server.items() if value}
    quoted = sql.Identifier(name)
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as connection:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted)
        connection.execute(drop)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        yield
        connection.execute(drop)
