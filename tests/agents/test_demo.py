"""The demo agent: honest, offline, and quick whatever it is asked."""

import time

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from chatrouting.agents.demo import DemoAgent, sum_in
from chatrouting.agents.supervisor import Supervisor
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from tests.agents.accepted import a_claimed_run, ask, claimed, events_of


async def answered(question):
    """What the owner was told, and the answer."""
    return await _answered(await in_database(a_claimed_run, question))


async def answered_in(thread, question):
    """As `answered`, in this thread."""
    return await _answered(await in_database(lambda: claimed(ask(thread, question))))


async def _answered(run):
    await Supervisor(run, DemoAgent()).supervise()
    events = await events_of(run)
    check_run(events)
    return events, events[-1]["payload"]


def kinds(events):
    return [event["type"] for event in events]


FIVE = {"agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"}


@pytest.mark.parametrize("question", ["hello", "what is (12 + 30) * 2 ?"])
async def test_a_plain_question_shows_all_five_events(question):
    """Row 88, 89."""
    events, end = await answered(question)

    assert set(kinds(events)) >= FIVE
    assert end["outcome"] == "success"


async def test_a_sum_is_computed():
    _, end = await answered("what is (12 + 30) * 2 ?")

    assert "`(12 + 30) * 2` is **84**" in end["content"]
    assert end["tools_used"] == ["calculator"]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("1+1", "1+1"),
        ("what is 2 * (3 + 4)?", "2 * (3 + 4)"),
        ("-1 - 2.", "-1 - 2"),
        ("(1 + 2) * (3)", "(1 + 2) * (3)"),
        ("is 10 %\n3 right", "10 % 3"),
        ("a - b", None),
        ("hello", None),
        ("42", None),
        ("-42", None),
        ("(5)", None),
        ("( - ) * ( + )", None),
        ("version 1.2.3", None),
        ("/stream 40 50", None),
    ],
)
def test_a_sum_is_found_in_a_question(question, found):
    assert sum_in(question) == found


@pytest.mark.parametrize(
    "question",
    ["1" * 4_000 + "+" * 4_000, "1+" * 4_000, "(" * 8_000, "1 " * 4_000, " " * 7_999 + "1",
     "1" + " )" * 3_999, "+1" * 4_000 + "x", "1+(" * 2_600],
)  # fmt: skip
def test_no_question_takes_long_to_look_through(question):
    """A question may not stop the worker's other runs."""
    began = time.perf_counter()

    sum_in(question)

    assert time.perf_counter() - began < 0.2


@given(st.text(alphabet="0123456789 +-*/%().ab\n", max_size=80))
@settings(max_examples=200)
def test_what_is_found_begins_and_ends_with_a_number(question):
    found = sum_in(question)

    if found is not None:
        inner = found.strip("-+() ")
        assert inner[0].isdigit() and inner[-1].isdigit()
        assert any(sign in inner for sign in "+-*/%")


async def test_think_thinks_so_often():
    events, end = await answered("/think 3")

    assert kinds(events).count("agent_thinking") == 3
    assert end["content"] == "I had 3 thoughts."


async def test_stream_says_so_many_pieces():
    _, end = await answered("/stream 20 1")

    assert end["content"].split() == [str(number) for number in range(1, 21)]


async def test_a_tool_can_be_called_by_name():
    events, end = await answered('/tool calculator {"expression": "6*7"}')

    assert end["content"] == "calculator: ok — 42"
    completed = next(e["payload"] for e in events if e["type"] == "tool_completed")
    assert completed["result"] == 42


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("/failtool", "error"),
        ("/badargs", "invalid_arguments"),
        ("/tool nothing", "error"),
        ("/slowtool 0", "ok"),
        ("/slowtool 600000", None),
    ],
)
async def test_a_command_shows_how_a_tool_can_end(command, status):
    """Row 101."""
    events, end = await answered(command)

    statuses = [e["payload"]["status"] for e in events if e["type"] == "tool_completed"]
    assert statuses == ([status] if status else [])
    assert end["outcome"] == "success"


async def test_fail_fails():
    """Row 99."""
    events, end = await answered("/fail")

    assert kinds(events)[-2:] == ["agent_error", "agent_completed"]
    assert (end["outcome"], end["content"]) == ("failed", "This will go wrong. ")


async def test_big_is_so_big():
    _, end = await answered("/big 64")

    assert len(end["content"]) == 64 * 1024


async def test_an_answer_over_its_bound_is_not_in_its_end():
    events, end = await answered("/big 300")

    assert end["content"] is None
    written = "".join(e["payload"]["text"] for e in events if e["type"] == "agent_delta")
    assert len(written) == 300 * 1024


async def test_help_lists_the_commands():
    _, end = await answered("/help")

    assert "`/stream COUNT MILLISECONDS`" in end["content"]


@pytest.mark.parametrize(
    "command",
    ["/think", "/think x", "/think -1", "/think 9999", "/think " + "9" * 5_000, "/stream 1", "/tool",
     "/tool clock {", "/tool clock []", "/tool clock " + "[" * 5_000, "/big 1e3", "/big ²"],
)  # fmt: skip
async def test_a_command_written_wrongly_is_told_how_it_goes(command):
    _, end = await answered(command)

    assert end["outcome"] == "success"
    assert end["content"].startswith(f"Write it as `{command.split()[0]}")


async def test_commands_are_words_where_they_are_off():
    with override_settings(DEBUG=False):
        _, end = await answered("/fail")

    assert end["outcome"] == "success"
    assert "I read: */fail*" in end["content"]
