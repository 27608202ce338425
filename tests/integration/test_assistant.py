"""A question to a real model, from the socket to a model server and back, by a worker of its own."""

import time

import pytest

from chatrouting.database import in_database
from chatrouting.testing.model_server import Answer, ModelServer, calls, chunk, cut, says, thinks
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person


@pytest.fixture(scope="module")
async def server():
    async with ModelServer() as started:
        yield started


@pytest.fixture(scope="module")
def asked(system, server):
    """A web process and a worker for which `AGENT_MODEL` is set."""
    environment = {
        "CHATROUTING_QUEUE": "assistant",
        "AGENT_MODEL": "local-model",
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": "key",
    }
    system.worker(**environment)
    return system.web(**environment)


@pytest.fixture
async def alice(services):
    return await in_database(make_person, "alice")


async def whole_run(client, content, **payload):
    """Say this and return the events of its run, checked against the rules of a run."""
    accepted = await client.ask("user_message", content=content, **payload)
    events = await client.whole_run(accepted["payload"]["run_id"])
    check_run(events)
    client.check_order()
    return events


async def test_a_model_shows_the_five_events_in_order(asked, server, alice):
    """Rows 88, 89: the assistant is the default; thought, call and words of the model reach the socket."""
    call = calls(("calculator", '{"expression": "6 * 7"}'))
    server.will(
        Answer((*thinks("I calculate.").pieces[:1], *call.pieces)), says("It ", "is ", "42.")
    )
    async with await asked.connect(alice, seconds=20) as a:
        events = await whole_run(a, "6 * 7?")

    kinds = [event["type"] for event in events if event["type"] != "agent_delta"]
    assert kinds == [
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "agent_completed",
    ]
    assert events[0]["payload"]["agent"] == "assistant"
    assert events[-1]["payload"]["content"] == "It is 42."
    assert events[-1]["payload"]["usage"] == {"input_tokens": 20, "output_tokens": 10}


async def test_a_model_that_breaks_off_is_told_as_such(asked, server, alice):
    """Row 99: one error with a code, then the end; the next question is answered."""
    server.will(cut(chunk({"content": "so far"})), says("fine"))
    async with await asked.connect(alice, seconds=20) as a:
        broken = await whole_run(a, "hello")
        well = await whole_run(a, "again")

    assert [event["payload"].get("code") for event in broken[-2:]] == ["model_answer_cut", None]
    assert broken[-1]["payload"]["outcome"] == "failed"
    assert well[-1]["payload"]["content"] == "fine"


async def test_the_demo_agent_stays_available(asked, alice):
    async with await asked.connect(alice, seconds=20) as a:
        events = await whole_run(a, "hello", agent="demo")

    assert events[-1]["payload"]["outcome"] == "success"


async def test_the_first_answer_of_a_fresh_worker_comes(system, server, alice, report):
    """Row 88: a run that comes before the model's library is there waits for it, others do not."""
    environment = {
        "CHATROUTING_QUEUE": "fresh",
        "AGENT_MODEL": "local-model",
        "OPENAI_BASE_URL": server.url,
    }
    web = system.web(**environment)
    server.will(says("here"))
    async with await web.connect(alice, seconds=30) as a:
        accepted = await a.ask("user_message", content="hello")
        system.worker(**environment)
        began = time.perf_counter()
        events = await a.whole_run(accepted["payload"]["run_id"])
        report(f"first answer of a worker that just started: {time.perf_counter() - began:.1f} s")

    assert events[-1]["payload"]["content"] == "here"
