"""What the assistant makes of a model's answers: words, thoughts, calls, counts."""

import json

from chatrouting.agents.models import Run
from chatrouting.agents.supervisor import Supervisor
from chatrouting.database import in_database
from chatrouting.testing.model_server import calls, says, thinks
from tests.agents.accepted import a_claimed_run, a_thread, ask, claimed, now_of
from tests.agents.providers.asked import answered, ended, payloads

SUM = ("calculator", '{"expression": "2 + 3"}')


async def test_the_words_of_the_model_are_the_answer(assistant, server):
    server.will(says("Hello ", "you."))

    events = await answered(assistant)

    assert ended(events) == ("success", "Hello you.")
    assert server.requests[0]["model"] == "local-model"


async def test_what_the_model_counted_is_told_at_the_end(assistant, server):
    server.will(calls(SUM, tokens=(10, 5)), says("5", tokens=(20, 1)))

    events = await answered(assistant)

    (end,) = payloads(events, "agent_completed")
    assert end["usage"] == {"input_tokens": 30, "output_tokens": 6}


async def test_thoughts_come_by_the_paragraph_and_are_no_part_of_the_answer(assistant, server):
    server.will(thinks("First.\n\n", "So be it."))

    events = await answered(assistant)

    assert [thought["text"] for thought in payloads(events, "agent_thinking")] == ["First."]
    assert ended(events) == ("success", "So be it.")


async def test_a_tool_is_called_and_the_model_told_how_it_ended(assistant, server):
    server.will(calls(SUM), says("It is 5."))

    events = await answered(assistant)

    (call,) = payloads(events, "tool_completed")
    assert (call["tool"], call["status"], call["result"]) == ("calculator", "ok", 5)
    assert told(server)["content"] == "5"
    assert ended(events) == ("success", "It is 5.")


async def test_calls_of_one_answer_are_made_side_by_side_and_answered_in_order(assistant, server):
    server.will(calls(SUM, ("clock", "{}"), ("calculator", '{"expression": "1/0"}')), says("Done."))

    events = await answered(assistant)

    assert sorted(call["tool"] for call in payloads(events, "tool_completed")) == [
        "calculator",
        "calculator",
        "clock",
    ]
    assert [message["tool_call_id"] for message in server.requests[1]["messages"][-3:]] == [
        "call_0",
        "call_1",
        "call_2",
    ]


async def test_words_before_and_after_a_call_stand_apart(assistant, server):
    server.will(calls(SUM, words="I calculate."), says("It is ", "5."))

    events = await answered(assistant)

    assert ended(events) == ("success", "I calculate.\n\nIt is 5.")


async def test_the_model_is_offered_the_tools_of_the_setting_and_no_other(assistant, server):
    server.will(says("x"))

    await answered(assistant)

    offered = [each["function"] for each in server.requests[0]["tools"]]
    assert [each["name"] for each in offered] == ["calculator", "clock", "search_threads"]
    assert offered[0]["description"].startswith("Compute an arithmetic expression")
    assert offered[0]["parameters"]["type"] == "object"
    assert offered[0]["parameters"]["required"] == ["expression"]


async def test_a_tool_that_is_not_offered_is_not_run(assistant, server):
    """Row 101: the call has its end, the model is told, the run goes on."""
    server.will(calls(("failing", "{}"), ("invented", "{}")), says("Then not."))

    events = await answered(assistant)

    errors = [call["error"]["code"] for call in payloads(events, "tool_completed")]
    assert errors == ["unknown_tool", "unknown_tool"]
    assert "there are: calculator, clock, search_threads" in told(server)["content"]
    assert ended(events) == ("success", "Then not.")


async def test_arguments_that_are_no_json_are_told_to_the_model(assistant, server):
    """Row 101: the call has its end, the model is told, the run goes on."""
    server.will(calls(("calculator", '{"expression": ')), says("Again."))

    events = await answered(assistant)

    (call,) = payloads(events, "tool_completed")
    assert call["status"] == "invalid_arguments"
    assert "not a JSON object" in told(server)["content"]


async def test_a_tool_that_fails_does_not_end_the_run(assistant, server, configure):
    """Row 101: the model is told the status and a trace id, nothing of the inside."""
    configure(model_tools="failing,slow", tool_seconds=0.05)
    server.will(calls(("failing", "{}"), ("slow", '{"seconds": 9}')), says("Sorry."))

    events = await answered(assistant)

    statuses = {call["tool"]: call["status"] for call in payloads(events, "tool_completed")}
    assert statuses == {"failing": "error", "slow": "timeout"}
    failing, slow = (message["content"] for message in server.requests[1]["messages"][-2:])
    assert "status error" in failing and "status timeout" in slow
    assert "trace" in failing and "always fails" not in failing
    assert ended(events) == ("success", "Sorry.")


async def test_the_model_sees_the_thread_up_to_its_question(assistant, server, configure):
    configure(instructions="Be brief.")
    thread = await in_database(a_thread)
    server.will(says("one"), says("two"))
    for question in ("first", "second"):
        run = await in_database(lambda said=question: claimed(ask(thread, said, "assistant")))
        await Supervisor(run, assistant).supervise()

    said = [(message["role"], message["content"]) for message in server.requests[1]["messages"]]
    assert said == [
        ("system", "Be brief."),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]


async def test_a_loop_of_calls_ends_at_the_limit_of_requests(assistant, server, configure):
    configure(model_requests=3)
    server.will(*[calls(SUM)] * 5)

    events = await answered(assistant)

    (error,) = payloads(events, "agent_error")
    assert (error["code"], len(server.requests)) == ("model_limit_reached", 3)
    assert ended(events)[0] == "failed"


async def test_a_run_ends_at_the_limit_of_tokens(assistant, server, configure):
    configure(run_tokens=100)
    server.will(calls(SUM, tokens=(90, 20)), says("never"))

    events = await answered(assistant)

    assert payloads(events, "agent_error")[0]["code"] == "token_budget"
    assert len(server.requests) == 1


async def test_the_key_goes_to_the_provider_and_nowhere_else(assistant, server):
    server.will(says("x"))
    run = await in_database(a_claimed_run, "hello", "assistant")

    events = await answered(assistant, run=run)

    (key,) = server.keys
    assert key and key not in json.dumps(events)
    row: Run = await in_database(now_of, run)
    assert row.outcome == "success"


def told(server):
    """What the model was told of the last call."""
    message = server.requests[-1]["messages"][-1]
    assert message["role"] == "tool"
    return message
