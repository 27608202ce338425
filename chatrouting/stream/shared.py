"""Small values that all processes share: whoever changes one says what it knew, and loses where it was stale.

So the rules of such a value are written once, in Python, and are pure; Valkey only compares.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from chatrouting.stream.scripts import Call, Script
from chatrouting.stream.valkey import valkey

V = TypeVar("V", bound=msgspec.Struct)
R = TypeVar("R")

TRIES = 20  # each one lost means that another process changed the value meanwhile
_SWAP = Script.read(Path(__file__).parent / "lua" / "swap.lua")


class Contended(Exception):
    """Others changed the value again and again."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Replace what stands under `key`, where it still is `known`; empty bytes stand for nothing.

    The value is kept for `milliseconds`.
    """

    key: str
    known: bytes
    new: bytes
    milliseconds: int

    @property
    def call(self) -> Call:
        """What the script is told; it answers None where it replaced the value, else with what stands there."""
        return (self.key,), (self.known, self.new, self.milliseconds)


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """What a change came to, and the value as it now is for all."""

    result: R
    value: bytes


async def change(known: bytes, step: Callable[[bytes], tuple[R, Swap]]) -> Found[R]:
    """Take a step from what is known, or from what is found to stand there instead.

    `step` is given the value and returns what comes of it with the swap to make; it may be called again.
    Raises `Contended`, and redis-py's errors where Valkey does not answer.
    """
    for _ in range(TRIES):
        result, swap = step(known)
        if swap.new == swap.known:
            return Found(result, known)
        (answer,) = await _SWAP.call_all(valkey(), [swap.call])
        if answer is None:
            return Found(result, swap.new)
        known = answer
    raise Contended(f"a shared value was changed by others {TRIES} times")
