"""Lua scripts on Valkey: called by their hash, loaded where a server does not have them."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from redis.exceptions import NoScriptError, RedisError, ResponseError

from chatrouting.stream.valkey import Valkey
from chatrouting.stream.wire import Argument

Call: TypeAlias = tuple[tuple[str, ...], tuple[Argument, ...]]  # keys, arguments

# How an answer begins that is about the keys. Any other refusal is about the server.
DAMAGE = ("ERR ", "WRONGTYPE ")


@dataclass(frozen=True, slots=True)
class Script:
    """A script and what Valkey calls it. Its last argument is always the `run_id` of the server it runs on."""

    source: str
    sha: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """The script in a file."""
        source = path.read_text()
        sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()  # what EVALSHA asks
        return cls(source, sha)

    async def call_each(self, client: Valkey, calls: Sequence[Call]) -> list[Any]:
        """Call it once for each, in one write. An answer is an exception where the keys of that one are damaged.

        Raises redis-py's `ConnectionError` and `TimeoutError`, and its `ResponseError` where the server refuses
        whatever it is asked: it has no memory left, or may not write.
        """
        found = await self._evaluate(client, calls)
        missing = [index for index, answer in enumerate(found) if isinstance(answer, NoScriptError)]
        if missing:  # a new or restarted server does not know it: none of these calls did anything
            await client.call("SCRIPT", "LOAD", self.source)
            again = await self._evaluate(client, [calls[index] for index in missing])
            for index, answer in zip(missing, again, strict=True):
                found[index] = answer
        _raise_first(answer for answer in found if not is_damage(answer))
        return found

    async def call_all(self, client: Valkey, calls: Sequence[Call]) -> list[Any]:
        """As `call_each`; raises the first refusal."""
        found = await self.call_each(client, calls)
        _raise_first(found)
        return found

    async def _evaluate(self, client: Valkey, calls: Sequence[Call]) -> list[Any]:
        return await client.call_knowing(
            lambda server_id: [
                ("EVALSHA", self.sha, len(keys), *keys, *arguments, server_id)
                for keys, arguments in calls
            ]
        )


def is_damage(answer: Any) -> bool:
    """Whether this is what Valkey answers where a key does not hold what belongs there."""
    return isinstance(answer, ResponseError) and str(answer).startswith(DAMAGE)


def _raise_first(answers: Iterable[Any]) -> None:
    for answer in answers:
        if isinstance(answer, RedisError):
            raise answer
