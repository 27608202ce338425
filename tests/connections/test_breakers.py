"""The breakers of a process beside those of another: told late, one probe for all, alone in an outage."""

import asyncio
import time
import uuid

import pytest
from django.test import override_settings

from chatrouting.connections import breakers as module
from chatrouting.connections.breakers import Breakers, breaker_key
from chatrouting.connections.dispatching import report
from chatrouting.stream.valkey import valkey
from routing_core.breaker import Call, Outcome, Policy
from routing_core.errors import HandlerTimeout
from tests.agents.waiting import until

POLICY = Policy(failures=5, share=5, open_seconds=0.1, probe_seconds=5)
NOWHERE = override_settings(REDIS_URL="unix:///nowhere/valkey.sock")


@pytest.fixture
async def route():
    """One nobody else has."""
    name = f"test.{uuid.uuid4()}"
    yield name
    await valkey().call("DEL", breaker_key(name))


def call():
    return Call("7", uuid.uuid4().hex)


async def fail(breakers, route, times=5):
    for _ in range(times):
        breakers.leave(route, call(), Outcome.FAILURE)
    await breakers.told(route)


async def probed(breakers, route):
    """The probe that is let in once the route has been shut for its time."""
    probe = call()
    while wait := await breakers.enter(route, probe):
        assert wait <= POLICY.open_seconds
        await asyncio.sleep(wait)
    return probe


async def test_what_many_calls_came_to_is_told_in_one_step(route, monkeypatch):
    """Row 108: and nobody who is answered waits for it."""
    breakers, asked, change = Breakers(POLICY), [], module.change
    monkeypatch.setattr(module, "change", lambda *given: asked.append(given) or change(*given))
    await fail(breakers, route, 50)

    assert len(asked) == 1
    assert await breakers.enter(route, call()) > 0


async def test_who_comes_next_finds_what_the_last_came_to(route):
    """Row 109: however soon they come."""
    breakers = Breakers(POLICY)
    for _ in range(5):
        breakers.leave(route, call(), Outcome.FAILURE)

    assert route in breakers
    assert await breakers.enter(route, call()) > 0


async def test_two_processes_let_one_probe_in(route):
    """Rows 110, 119: of twenty messages at the same time in both."""
    both = Breakers(POLICY), Breakers(POLICY)
    for each in both:
        await fail(each, route)
    let_in = []

    async def somebody_is():
        let_in.append(await entered(both, route))
        return let_in[-1]

    await until(somebody_is)
    assert let_in[-1] == 1
    assert await entered(both, route) == 0


async def entered(both, route):
    """How many of twenty are let in."""
    waits = await asyncio.gather(*(each.enter(route, call()) for each in both * 10))
    return waits.count(0)


async def test_without_valkey_a_process_keeps_its_breakers_alone(route):
    """Rows 53, 109, 110: it shuts, lets one probe in, and opens."""
    one, other = Breakers(POLICY), Breakers(POLICY)
    with NOWHERE:
        await fail(one, route)
        assert await one.enter(route, call()) > 0
        assert await other.enter(route, call()) == 0
        for _ in range(2):
            one.leave(route, await probed(one, route), Outcome.SUCCESS)
            await one.told(route)
        assert route not in one


async def test_a_valkey_that_is_away_holds_up_nobody(route):
    """Row 53: what a call came to is told without a wait."""
    breakers = Breakers(POLICY)
    with NOWHERE:
        began = time.monotonic()
        for _ in range(1_000):
            breakers.leave(route, call(), Outcome.FAILURE)
        assert time.monotonic() - began < 0.5
        await breakers.told(route)
        assert await breakers.enter(route, call()) > 0


def test_a_time_out_is_one_line_without_a_traceback(caplog):
    """Row 108: fifty at once cost the log fifty lines."""
    error = HandlerTimeout()
    error.__cause__ = TimeoutError()
    report(error, "t1", None)

    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info) == (
        "trace t1: message '?' got handler_timeout: TimeoutError()", None,
    )  # fmt: skip
