"""Databases beside the one that is named: of PostgreSQL for the tests of one process, any under an alias."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.db import connections
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
    with _server(settings) as execute:
        execute("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        execute("CREATE DATABASE {}")
        yield
        execute("DROP DATABASE IF EXISTS {} WITH (FORCE)")


@contextmanager
def known_as(alias: str, settings: dict[str, Any]) -> Iterator[None]:
    """The database of these settings, complete as Django's, has an alias; its connection is closed after."""
    connections.settings[alias] = settings
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias], connections.settings[alias]


@contextmanager
def out_of_reach(settings: dict[str, Any]) -> Iterator[None]:
    """Every connection to the database is cut, and no new one is let in."""
    with _server(settings) as execute:
        execute("ALTER DATABASE {} ALLOW_CONNECTIONS false")
        try:
            execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
            yield
        finally:
            execute("ALTER DATABASE {} ALLOW_CONNECTIONS true")


@contextmanager
def _server(settings: dict[str, Any]) -> Iterator[Callable[[LiteralString], object]]:
    """Executes what names the database, on another of the same server."""
    server = {key: settings[key.upper()] for key in ("host", "port", "user", "password")}
    given = {key: value for key, value in server.items() if value}
    name = settings["NAME"]
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as connection:

        def execute(query: LiteralString) -> object:
            quoted = sql.Literal(name) if "datname" in query else sql.Identifier(name)
            return connection.execute(sql.SQL(query).format(quoted))

        yield execute
