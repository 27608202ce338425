"""Clients of a Valkey that a test has for itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chatrouting.datafolder import valkey_url
from chatrouting.stream.valkey import Valkey


@asynccontextmanager
async def client_of(folder: Path) -> AsyncIterator[Valkey]:
    """A client of the Valkey whose data is in this folder."""
    client = Valkey(valkey_url(folder))
    try:
        yield client
    finally:
        await client.close()
