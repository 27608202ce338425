"""What stands before a message is looked at: whatever happens there, observers are told of it once."""

import asyncio
import json
import uuid

import pytest

from chatrouting import counters
from chatrouting.chat.context import Context
from chatrouting.connections import dispatching
from chatrouting.connections.admission import admit
from chatrouting.connections.messages import Heartbeat
from chatrouting.connections.rates import rates
from chatrouting.connections.refusals import Refusals
from chatrouting.database import in_database
from chatrouting.stream.valkey import valkey
from chatrouting.testing.people import make_person
from chatrouting.threads.rules import Person
from routing_core.dispatch import Dispatcher
from routing_core.observing import Outcome
from routing_core.router import Route, Router
from tests.agents.waiting import until
from tests.connections.wire import Wire


class Served:
    """A dispatcher, what its observers were told, and somebody who has asked for no tokens yet."""

    def __init__(self):
        self.seen = []
        self.context = Context(Person(f"test-{uuid.uuid4()}", "ann"), "connection", "digest")
        self.dispatcher = Dispatcher(
            lambda: TABLE,
            dispatching.SURROUNDINGS,
            frame_bytes=1_000,
            observers=[self.seen.append],
        )

    async def ask(self):
        incoming = self.dispatcher.read(self.context, '{"type":"weigh"}')
        answer = await admit(self.dispatcher, self.context, incoming, Refusals(self.dispatcher))
        self.dispatcher.conclude(answer, lambda frame: True)
        return json.loads(answer.frame)

    @property
    def outcomes(self):
        return [each.outcome for each in self.seen]


class Weigh(Heartbeat, frozen=True):
    """A message that takes a token."""

    type = "weigh"
    immediate = False


async def weigh(ctx, message):
    return Weigh()


TABLE = Router([Route(Weigh, weigh)])


async def test_a_message_that_is_admitted_is_told_of_once():
    served = Served()

    assert (await served.ask())["type"] == "weigh"
    assert served.outcomes == [Outcome.ANSWERED]


async def test_a_message_cancelled_while_it_waits_for_its_rate_is_told_of_once():
    served = Served()
    asking = asyncio.create_task(served.ask())
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert served.outcomes == [Outcome.ABANDONED]


async def test_a_rate_that_cannot_be_read_is_one_error_to_the_sender():
    """Row 106: a fault of the server, told like any other."""
    served = Served()
    await valkey().call("SET", f"{{u:{served.context.user.id}}}:rate", "broken", "PX", 5_000)

    assert (await served.ask())["payload"]["code"] == "internal"
    assert served.outcomes == [Outcome.REFUSED]
    assert rates().spend(served.context.user.id) is False


async def test_an_answer_the_server_does_not_take_is_no_success():
    """Row 38: the transport is closing; the answer is counted as unsent, not as routed."""
    person = await in_database(make_person)
    routed, unsent = (
        counters.messages_routed.labels("heartbeat"), counters.messages_unsent.labels("heartbeat"),
    )  # fmt: skip
    before = routed._value.get(), unsent._value.get()
    async with Wire(person.cookie) as wire:
        await wire.until("welcome")
        wire.breaks = {"heartbeat_ack"}
        wire.say("heartbeat")

        async def counted():
            return unsent._value.get() == before[1] + 1

        await until(counted)
        await wire.leave()

    assert routed._value.get() == before[0]
