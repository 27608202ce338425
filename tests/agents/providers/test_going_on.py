"""A run of the assistant goes on: after its worker died, after a person decided."""

import asyncio

import pytest

from chatrouting.agents import approvals
from chatrouting.agents.models import Approval, SavedState, ToolCall
from chatrouting.agents.supervisor import Stop, Supervisor
from chatrouting.agents.tools import installed_tools
from chatrouting.database import in_database
from chatrouting.testing.model_server import Answer, calls, chunk, says
from tests.agents.accepted import a_thread, ask, claimed, events_of, expire
from tests.agents.hosted import ended as attended
from tests.agents.providers import tools_for_tests
from tests.agents.providers.asked import ended, error_of, payloads
from tests.agents.waiting import until

HERE = "tests.agents.providers.tools_for_tests"
NOTE = ("note", '{"text": "once"}')
HEARD = chunk({"content": "half a"})


@pytest.fixture(autouse=True)
def tools(assistant, install, configure):
    """The assistant is installed, with the tools for tests."""
    install(assistant)
    configure(
        tools=f"{HERE}.pay,{HERE}.endless,{HERE}.note,chatrouting.agents.demo_tools.failing",
        model_tools="pay,endless,note",
    )
    installed_tools.cache_clear()
    tools_for_tests.done.clear()
    yield
    installed_tools.cache_clear()


async def a_run():
    return await in_database(lambda: claimed(ask(a_thread(), "hello", "assistant")))


async def lost(assistant, *, when):
    """A run whose worker died when this was so: nothing was ended, its lease ran out."""
    run = await a_run()
    supervisor = Supervisor(run, assistant)
    working = asyncio.create_task(supervisor.supervise())

    async def so():
        return when()

    await until(so, 10)
    supervisor.stop(Stop.TAKEN)
    await asyncio.wait_for(working, 5)
    await in_database(expire, run)
    return run


def asked(server, times):
    """That the model has been asked so often."""
    return lambda: len(server.requests) == times


def began():
    """That the tool which never ends is at work."""
    return "began" in tools_for_tests.done


async def test_a_call_that_had_ended_is_not_made_again(assistant, server):
    """Row 51: another worker goes on where the model was asked for the second time."""
    server.will(calls(NOTE, words="I note."), Answer((HEARD, 30.0)), says("Done."))
    run = await lost(assistant, when=asked(server, 2))

    row, events = await attended(run)

    assert tools_for_tests.done == ["once"]
    assert (row.outcome, row.attempt) == ("success", 2)
    assert ended(events) == ("success", "I note.\n\nDone.")
    assert server.requests[-1]["messages"][-1]["content"] == "noted"
    assert len(payloads(events, "tool_completed")) == 1


async def test_a_tool_that_was_at_work_is_told_to_the_model_as_interrupted(assistant, server):
    server.will(calls(("endless", "{}")), says("I do not know."))
    run = await lost(assistant, when=began)

    _, events = await attended(run)

    assert tools_for_tests.done == ["began"]
    assert "interrupted" in server.requests[-1]["messages"][-1]["content"]
    assert ended(events) == ("success", "I do not know.")


async def test_a_refused_call_is_told_once_also_where_the_run_goes_on(assistant, server):
    server.will(calls(("failing", "{}"), ("endless", "{}")), says("Then not."))

    run = await lost(assistant, when=began)

    _, events = await attended(run)

    assert ended(events) == ("success", "Then not.")
    assert [call["tool"] for call in payloads(events, "tool_completed")] == ["failing", "endless"]


async def test_without_anything_saved_a_run_begins_again(assistant, server):
    server.will(Answer((HEARD, 30.0)), says("whole"))
    run = await lost(assistant, when=asked(server, 1))

    _, events = await attended(run)

    assert ended(events) == ("success", "whole")
    assert server.requests[0]["messages"] == server.requests[1]["messages"]


async def test_a_run_whose_state_is_damaged_ends_with_a_code(assistant, server):
    """Row 102: before any work."""
    server.will(calls(NOTE), Answer((30.0,)))
    run = await lost(assistant, when=asked(server, 2))
    await in_database(SavedState.objects.filter(run=run).update, state='{"messages": [1]}')

    _, events = await attended(run)

    assert error_of(events)["code"] == "state_damaged"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("approve", "told", "done"),
    [(True, "paid 5", ["once", "paid 5"]), (False, "did not allow", ["once"])],
)
async def test_a_call_that_a_person_decides_about_frees_the_worker(
    assistant, server, approve, told, done
):
    """The calls beside it end first and are not made again; the model is told of the decision."""
    server.will(calls(("pay", '{"amount": 5}'), NOTE), says("As you say."))
    run = await a_run()
    await asyncio.wait_for(Supervisor(run, assistant).supervise(), 10)
    assert [event["type"] for event in await events_of(run)].count("approval_required") == 1

    await in_database(decide, run, approve)
    row, events = await attended(run)

    assert tools_for_tests.done == done
    assert told in server.requests[-1]["messages"][-2]["content"]
    assert (row.attempt, ended(events)) == (1, ("success", "As you say."))


def decide(run, approve):
    """Decide about the only call that waits."""
    call = ToolCall.objects.get(run=run, status=ToolCall.Status.WAITING)
    approvals.decide(call, approvals.Decision(approve, "somewhere"))
    assert approvals.wake(run.pk)
    assert Approval.objects.get(pk=call.pk).decision
