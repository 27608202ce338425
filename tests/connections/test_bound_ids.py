"""Lines of the log carry the ids of the socket they are about, not those of whoever came first.

Each test has an event loop of its own: what serves all sockets is begun by the first.
"""

import asyncio
import contextvars
import logging
import uuid

import pytest
from structlog.contextvars import bound_contextvars, get_contextvars

from chatrouting.batches import Batches
from chatrouting.conf import chat_settings
from chatrouting.connections import consumer
from chatrouting.connections.breakers import Breakers
from chatrouting.connections.live import LiveConnections
from chatrouting.connections.rates import Rates
from chatrouting.connections.slowness import slow_sockets
from chatrouting.database import in_database
from chatrouting.stream.doorbell import channel_layer, ring_check_now, user_group
from chatrouting.stream.log import EventLog
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_people
from routing_core.breaker import Call, Outcome, Policy
from tests.agents.waiting import until
from tests.connections.wire import Wire


class Lines(logging.Handler):
    """What was logged, with the ids that were bound."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append((record.getMessage(), get_contextvars()))

    async def ids(self, text):
        """Wait for a line that says this; the ids it carries."""

        async def found():
            return [ids for said, ids in self.lines if text in said]

        return (await until(found))[0]


@pytest.fixture
def lines(caplog):
    handler = Lines()
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def live(services, monkeypatch):
    """The list of sockets of a process of its own."""
    connections = LiveConnections()
    monkeypatch.setattr(consumer, "live_connections", lambda: connections)
    return connections


@pytest.fixture
def second(live):
    """Run this with the second of two sockets that are open, and whose it is."""

    async def scenario(found):
        alice, bob = await in_database(make_people, 2)
        async with Wire(alice.cookie) as a:
            await a.until("welcome")
            async with Wire(bob.cookie) as b:
                await b.until("welcome")
                await found(b, bob)
        await live.drain(0)

    return lambda found: asyncio.run(scenario(found))


def told(wire, person, owner, seq):
    """Tell the socket of an event that is not in its stream."""
    event = {"owner": owner, "epoch": wire.frames[0]["payload"]["epoch"], "seq": seq, "body": b"{}"}
    group = user_group(person.user_id)
    return channel_layer().group_send(group, {"type": "event.deliver", **event})


def expected(wire, person):
    return {
        "user_id": person.user_id,
        "connection_id": wire.frames[0]["payload"]["connection_id"],
    }


def test_a_check_that_fails_is_logged_under_the_ids_of_its_socket(second, lines, monkeypatch):

    def failing(looks):
        logging.getLogger(__name__).info("looking")
        raise ZeroDivisionError

    async def scenario(wire, person):
        monkeypatch.setattr(consumer, "standings", failing)
        await in_database(ring_check_now, person.user_id)

        assert await lines.ids("looking") == expected(wire, person)
        assert await lines.ids("failed beside its deliveries") == expected(wire, person)

    second(scenario)


@pytest.mark.parametrize("owner", ["", "somebody else"])
def test_a_delivery_that_cannot_go_on_is_logged_under_the_ids_of_its_socket(second, lines, owner):
    """One that lacks events, and one that was told of somebody else's."""

    async def scenario(wire, person):
        await told(wire, person, owner or person.user_id, 7)

        assert await lines.ids("cannot go on") == expected(wire, person)

    second(scenario)


def test_what_is_read_for_a_socket_is_read_under_its_ids(second, lines, monkeypatch):
    read = EventLog.read

    async def speaking(*given):
        logging.getLogger(__name__).info("reading")
        return await read(*given)

    async def scenario(wire, person):
        monkeypatch.setattr(EventLog, "read", speaking)
        await told(wire, person, person.user_id, 7)

        assert await lines.ids("reading") == expected(wire, person)

    second(scenario)


class Tasks:
    """A task factory that remembers what was bound where each task was begun."""

    def __init__(self):
        self.bound = {}

    def __call__(self, loop, work, **given):
        task = asyncio.Task(work, loop=loop, **given)
        context = given.get("context")
        context = contextvars.copy_context() if context is None else context.copy()
        self.bound[task] = context.run(get_contextvars)
        return task

    def named(self, name):
        """What was bound for the tasks whose name begins so."""
        return [ids for task, ids in self.bound.items() if task.get_name().startswith(name)]


@pytest.fixture
def tasks():
    return Tasks()


def in_a_loop(tasks, scenario):
    async def remembered():
        asyncio.get_running_loop().set_task_factory(tasks)
        await scenario()

    asyncio.run(remembered())


def test_what_goes_on_after_a_socket_carries_none_of_its_ids(live, tasks):
    """What the first socket of a process began serves all others."""

    async def scenario():
        (alice,) = await in_database(make_people, 1)
        async with Wire(alice.cookie) as wire:
            await wire.until("welcome")
            wire.say("ping")
            await wire.until("pong")
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert {task.get_name(): tasks.bound[task] for task in left if tasks.bound[task]} == {}
        await live.drain(0)

    in_a_loop(tasks, scenario)

    for name in ("connection registry", "session sweep", "position check", "listening for user"):
        assert tasks.named(name) == [{}]


async def command():
    await valkey().call("PING")


async def subscription():
    await channel_layer().group_add("some", await channel_layer().new_channel())


async def slow_socket():
    slow_sockets().note(Slow(), 1, 60)


async def message():
    await Rates(chat_settings()).wait(uuid.uuid4().hex)


async def failure():
    told, route = Breakers(Policy()), uuid.uuid4().hex
    told.leave(route, Call("1", "a"), Outcome.FAILURE)
    await told.told(route)


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (command, "valkey connection"),
        (subscription, "valkey subscriber"),
        (slow_socket, "slow sockets"),
        (message, "rate"),
        (failure, "breaker"),
    ],
)
def test_what_others_will_share_carries_none_of_the_ids_of_the_first(services, tasks, begin, name):
    async def scenario():
        with bound_contextvars(user_id="1"):
            await begin()

    in_a_loop(tasks, scenario)

    assert tasks.named(name) == [{}]


class Slow:
    """A socket that bytes wait for."""

    def waiting(self):
        return 1


async def test_what_is_done_for_many_carries_the_ids_of_none():
    seen = []
    batches = Batches(lambda keys: seen.append(get_contextvars()))
    with bound_contextvars(user_id="1", trace_id="of the first"):
        await batches.call("a")

    assert seen == [{}]
