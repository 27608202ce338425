"""What the router costs a message: every layer serves it, and what each adds is told."""

from tests.benchmarks.layers import layers
from tests.benchmarks.routing import BARE, measured

ROUNDS, MESSAGES = 20, 4  # 80 messages: within a person's burst, and so few that it takes no time


async def test_every_layer_answers_alike(services):
    answers = {await way() for way in layers(BARE).values()}

    assert answers == {'{"type":"test.counted","id":"m1","payload":{"words":7}}'}


async def test_what_the_router_adds_is_told(services, report):
    found = await measured(layers(BARE), ROUNDS, MESSAGES)

    adds = list(found.values())[-1] - found[BARE]
    report(f"middleware, observers and admission add {adds:.1f} µs to a message (goal: 15)")
    assert len(found) > 3
