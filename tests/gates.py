"""Gates at which handlers wait, in whichever process they and those who open them are: kept in Valkey."""

import asyncio
from dataclasses import dataclass

from chatrouting.stream.valkey import valkey

LOOK_SECONDS = 0.02
KEPT_SECONDS = 60


@dataclass(frozen=True)
class Gate:
    """The gate of this name. It is shut until somebody opens it."""

    name: str

    @property
    def _opened(self) -> str:
        return f"test:gate:{self.name}:opened"

    @property
    def _waiting(self) -> str:
        return f"test:gate:{self.name}:waiting"

    async def passed(self) -> None:
        """Wait until it is open."""
        await valkey().call("INCR", self._waiting)
        await valkey().call("EXPIRE", self._waiting, KEPT_SECONDS)
        try:
            while not await valkey().call("EXISTS", self._opened):  # noqa: ASYNC110 - reason: no process tells the others
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await valkey().call("DECR", self._waiting)

    async def open(self) -> None:
        """For all who wait, and who come within a minute."""
        await valkey().call("SET", self._opened, 1, "EX", KEPT_SECONDS)

    async def waiting(self) -> int:
        """How many wait now."""
        return int(await valkey().call("GET", self._waiting) or 0)
