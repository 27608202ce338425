"""How often a user may do something within a time: counted in Valkey, for all processes."""

from dataclasses import dataclass

from redis.exceptions import RedisError

from chatrouting.stream.valkey import valkey
from routing_core.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Quota:
    """So many of the thing called `name` in so many seconds, which begin with the first of them."""

    name: str
    count: int
    seconds: float

    async def spend(self, user_id: str) -> None:
        """Count one. Raises `RateLimited` where all are spent, redis-py's errors where Valkey is away."""
        key = f"{{u:{user_id}}}:quota:{self.name}"
        *_, found = await valkey().call_all(
            [
                ("MULTI",),
                ("SET", key, 0, "PX", int(self.seconds * 1000), "NX"),
                ("INCR", key),
                ("PTTL", key),
                ("EXEC",),
            ]
        )
        if isinstance(found, RedisError):
            raise found
        _, spent, left_ms = found
        if spent > self.count:
            raise RateLimited(
                f"This may be done {self.count} times in {self.seconds:g} seconds.",
                retry_after_ms=max(left_ms, 1),
            )
