"""Waiting for a thing that happens, never for a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(
    found: Callable[[], Awaitable[T]], seconds: float = 5, *, pause: float = 0.002
) -> T:
    """Ask again until the answer is true. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await found()
            if answer:
                return answer
            await asyncio.sleep(pause)
