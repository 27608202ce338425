"""A queue of runs, as it lies in Valkey."""

from chatrouting.agents.queue import QUEUES, queue_key
from chatrouting.stream.valkey import valkey


async def depth() -> int:
    """How many runs stand in it, of whatever priority."""
    return sum([await valkey().call("ZCARD", queue_key(name)) for name in QUEUES])
