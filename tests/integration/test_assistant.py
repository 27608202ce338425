"""A question to a real model, from the socket to a model server and back, by a worker of its own."""

import time

import pytest

from chatrouting.testing.model_server import Answer, ModelServer, calls, chunk, cut, says, thinks
from chatrouting.testing.order import check_run


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
        "CHATROUTING_MODEL_TOOLS": "calculator,note",
    }
    system.worker(**environment)
    return system.web(**environment)


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


async def test_a_person_decides_about_a_call_of_the_model(asked, server, alice):
    """The run waits without a worker; the model is told what the person let happen."""
    server.will(calls(("note", '{"text": "a"}'), words="May I?"), says("Noted."))
    async with await asked.connect(alice, seconds=20) as a:
        accepted = await a.ask("user_message", content="note a")
        run_id = accepted["payload"]["run_id"]
        question = await a.expect_event("approval_required", run_id=run_id)
        call_id = question["payload"]["call_id"]
        await a.ask(
            "decide_tool",
            run_id=run_id,
            call_id=call_id,
            decision="approve",
            arguments={"text": "b"},
        )
        events = await a.whole_run(run_id)
        check_run(events)

    assert events[-1]["payload"]["content"] == "May I?\n\nNoted."
    assert server.requests[-1]["messages"][-1]["content"].endswith(": b")


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


async def test_a_worker_that_dies_amid_an_answer_is_followed_by_one_that_goes_on(
    system, server, alice, own_database
):
    """Row 51: the call that had ended is not made again, the text of before the call is kept."""
    environment = {
        "DATABASE_URL": own_database,  # no other worker sweeps it, which would not have the model
        "CHATROUTING_QUEUE": "going-on",
        "CHATROUTING_LEASE_SECONDS": "1.5",
        "CHATROUTING_SWEEP_SECONDS": "0.3",
        "AGENT_MODEL": "local-model",
        "OPENAI_BASE_URL": server.url,
    }
    first, web = system.worker(**environment), system.web(**environment)
    called = calls(("calculator", '{"expression": "6 * 7"}'), words="I calculate.")
    server.will(called, Answer((chunk({"content": "half"}), 60.0)), says("It is 42."))
    async with await web.connect(alice, seconds=30) as a:
        accepted = await a.ask("user_message", content="6 * 7?")
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("agent_delta", run_id=run_id, text="\n\nhalf")
        first.kill()
        system.worker(**environment)
        events = await a.whole_run(run_id)
        check_run(events)

    kinds = [event["type"] for event in events]
    assert (kinds.count("agent_started"), kinds.count("tool_completed")) == (2, 1)
    assert events[-1]["payload"]["content"] == "I calculate.\n\nIt is 42."
    assert server.requests[-1]["messages"][-1]["content"] == "42"
