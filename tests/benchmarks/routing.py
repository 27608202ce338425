"""`python -m tests.benchmarks.routing`: what the router costs a message, layer by layer, in this process.

Each layer is the one before it with one thing more. All take turns in short rounds, so that a busy machine
is as busy for each; a figure is the least time of all rounds, in µs a message. No socket, no database, and
a handler that only answers: what is left is the price of the way.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.site import prepare_environment, private_folder, raise_limits

ROUNDS = 1_000
MESSAGES = 50  # a round: so few that most rounds are not interrupted
GOAL_US = 15
BARE = "bare dispatcher"

Way = Callable[[], Awaitable[Any]]


def main() -> int:
    """Measure and print. Returns the exit code; no figure decides it."""
    with private_folder() as folder:
        prepare_environment(Path(folder))
        import django

        from chatrouting.conf import ChatSettings
        from chatrouting.serving.valkey import EmbeddedValkey

        raise_limits(ChatSettings.__struct_fields__)
        django.setup()
        from tests.benchmarks.layers import layers

        with EmbeddedValkey(Path(folder)):
            found = asyncio.run(measured(layers(BARE), ROUNDS, MESSAGES))
    sys.stdout.write(_table(found))
    return 0


async def measured(ways: Mapping[str, Way], rounds: int, messages: int) -> dict[str, float]:
    """The least time of a message on each way, in µs, over so many rounds of so many messages."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            for _ in range(messages):
                await way()
            best[name] = min(best[name], (time.perf_counter() - begun) / messages * 1e6)
    return best


def _table(found: Mapping[str, float]) -> str:
    """Layer, µs, what it adds to the one before; and how far the whole is from the bare dispatcher."""
    lines, before = [f"{'':34}{'µs':>7}{'adds':>7}"], 0.0
    for name, cost in found.items():
        lines.append(f"{name:34}{cost:7.2f}{cost - before:7.2f}")
        before = cost
    adds = before - found[BARE]
    lines.append(f"everything adds {adds:.1f} µs to the {BARE} (goal: at most {GOAL_US})")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
