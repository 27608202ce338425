"""Runs as their user sees them: order, names, pairing, text, ends."""

import asyncio
import statistics
import time

import pytest

from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_people

MASK = "•••"


async def whole_run(client, content, **payload):
    """Say this and return the events of its run, checked against the rules of a run."""
    accepted = await client.ask("user_message", content=content, **payload)
    assert accepted["type"] == "message_accepted", accepted
    events = await client.whole_run(accepted["payload"]["run_id"])
    check_run(events)
    return events


def types_of(events):
    return [event["type"] for event in events]


def only(events, kind):
    return [event["payload"] for event in events if event["type"] == kind]


def text_of(events):
    return "".join(payload["text"] for payload in only(events, "agent_delta"))


@pytest.fixture(scope="module")
def hasty(system):
    """A web process and a worker of its own, with short limits and without thoughts."""
    settings = {
        "CHATROUTING_QUEUE": "hasty",
        "CHATROUTING_RUN_SECONDS": "1",
        "CHATROUTING_TOOL_SECONDS": "0.3",
        "CHATROUTING_THINKING": "0",
    }
    system.worker(**settings)
    return system.web(**settings)


async def test_a_plain_question_shows_the_five_events_in_order(web, alice):
    """Rows 88, 89: the five come in the order of the protocol, with exactly its names and fields."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "What is (12 + 30) * 2?")
        a.check_order()
    critical = [kind for kind in types_of(events) if kind != "agent_delta"]
    assert critical == [
        "agent_started",
        "agent_thinking",
        "tool_executing",
        "tool_completed",
        "agent_completed",
    ]
    (executing,), (completed,) = only(events, "tool_executing"), only(events, "tool_completed")
    assert executing == {
        "call_id": completed["call_id"],
        "tool": "calculator",
        "arguments": {"expression": "(12 + 30) * 2"},
    }
    assert completed == {
        "call_id": executing["call_id"],
        "tool": "calculator",
        "status": "ok",
        "result": 84,
        "duration_ms": completed["duration_ms"],
    }


async def test_the_first_event_comes_soon(web, alice, report):
    """Row 88: the time from message to first event is measured and reported (goal: 100 ms at p95)."""
    times = []
    async with await web.connect(alice) as a:
        for _ in range(30):
            began = time.perf_counter()
            accepted = await a.ask("user_message", content="/think 0")
            await a.expect_event("agent_started", run_id=accepted["payload"]["run_id"])
            times.append((time.perf_counter() - began) * 1000)
            await a.whole_run(accepted["payload"]["run_id"])
    p50, p95 = statistics.median(times), sorted(times)[28]
    report(f"from message to first event: p50 {p50:.0f} ms, p95 {p95:.0f} ms (goal 100)")


async def test_a_run_without_thinking_and_tools_is_whole(web, alice):
    """Row 91: thinking and tools are not needed; the end comes once and last."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "/stream 3 0")
        await a.ping()
        assert types_of(a.of_run(events[0]["run_id"])).count("agent_completed") == 1
    assert set(types_of(events)) == {"agent_started", "agent_delta", "agent_completed"}
    assert only(events, "agent_completed")[0]["content"] == "1 2 3 "


async def test_an_empty_answer_is_whole(web, alice):
    """Row 91: a run that writes nothing has an end with empty content."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "/stream 0 0")
    assert types_of(events) == ["agent_started", "agent_completed"]
    assert only(events, "agent_completed")[0]["content"] == ""


@pytest.mark.parametrize(
    ("said", "tool", "status", "code"),
    [
        ("/failtool", "failing", "error", "tool_failed"),
        ("/badargs", "calculator", "invalid_arguments", "invalid_arguments"),
        ("/tool nothing {}", "nothing", "error", "unknown_tool"),
        ('/tool slow {"seconds": 9}', "slow", "timeout", "tool_timeout"),
    ],
)
async def test_a_tool_that_gives_no_result_ends_its_call(hasty, alice, said, tool, status, code):
    """Rows 90, 101: exactly one end under the same call id, with its status; the run goes on."""
    async with await hasty.connect(alice) as a:
        events = await whole_run(a, said)
    (completed,) = only(events, "tool_completed")
    assert (completed["tool"], completed["status"]) == (tool, status)
    assert completed["error"]["code"] == code
    assert only(events, "agent_completed")[0]["outcome"] == "success"


async def test_deltas_joined_are_the_answer(web, alice):
    """Row 95: the position of each is the sum of the lengths before it; joined they equal `content`."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "/stream 200 1")
    position = 0
    for delta in only(events, "agent_delta"):
        assert delta["position"] == position
        position += len(delta["text"])
    assert text_of(events) == only(events, "agent_completed")[0]["content"]
    assert len(only(events, "agent_delta")) < 100, "deltas were not merged"


async def test_an_answer_over_256_kib_is_not_in_the_end(web, alice):
    """Row 95: its `content` is null; the deltas have it whole, and history has it cut and says so."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "/big 300")
        page = await a.ask("thread_history", thread_id=events[0]["thread_id"])
    assert only(events, "agent_completed")[0]["content"] is None
    assert len(text_of(events)) == 300 * 1024
    answer = page["payload"]["messages"][-1]
    assert answer["truncated"] is True
    assert text_of(events).startswith(answer["content"])


async def test_secrets_and_long_values_are_not_shown(web, alice):
    """Row 96: names that look secret are masked, long values cut with a mark."""
    arguments = '{"zone": "%s", "api_key": "sk-123", "nested": {"password": "hunter2"}}' % (
        "x" * 4000
    )
    async with await web.connect(alice) as a:
        events = await whole_run(a, f"/tool clock {arguments}")
        frames = str(a.frames)
    (shown,) = (payload["arguments"] for payload in only(events, "tool_executing"))
    assert (shown["api_key"], shown["nested"]["password"]) == (MASK, MASK)
    assert shown["zone"].startswith("x" * 2000 + "…")
    assert len(shown["zone"]) < 2100
    executing = str(only(events, "tool_executing"))
    assert "hunter2" not in executing
    assert "sk-123" not in executing
    assert "hunter2" in frames, "the question itself is the user's own text"


async def test_thinking_can_be_switched_off(hasty, alice):
    """Row 96: with `CHATROUTING_THINKING=0` no thought is shown."""
    async with await hasty.connect(alice) as a:
        events = await whole_run(a, "/think 3")
    assert types_of(events) == ["agent_started", "agent_delta", "agent_completed"]
    assert only(events, "agent_completed")[0]["content"] == "I had 3 thoughts."


async def test_a_stopped_run_ends_within_a_second(web, alice):
    """Row 97: `cancelled`, once, with what was written, and nothing after it."""
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/stream 1000 20")
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("agent_delta", run_id=run_id)
        began = time.monotonic()
        stopping = await a.ask("stop_agent", run_id=run_id)
        events = await a.whole_run(run_id)
        took = time.monotonic() - began
        again = await a.ask("stop_agent", run_id=run_id)
        await a.ping()

        check_run(a.of_run(run_id))
        assert stopping["payload"] == {"run_id": run_id, "status": stopping["payload"]["status"]}
        assert again["payload"] == {"run_id": run_id, "status": "completed"}
        (end,) = only(a.of_run(run_id), "agent_completed")
        assert (end["outcome"], end["content"]) == ("cancelled", text_of(events))
        assert took < 1


async def test_a_tool_at_work_is_interrupted_by_the_stop(web, alice):
    """Rows 90, 97: within 1 s; its call has one end, `interrupted`, then comes that of the run, and nothing."""
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/slowtool 60")
        run_id = accepted["payload"]["run_id"]
        await a.expect_event("tool_executing", run_id=run_id)
        began = time.monotonic()
        await a.ask("stop_agent", run_id=run_id)
        events = await a.whole_run(run_id)
        took = time.monotonic() - began
        await a.expect_event("agent_completed", run_id=run_id, outcome="cancelled")
        await a.assert_silent()
    check_run(events)
    assert took < 1
    assert [payload["status"] for payload in only(events, "tool_completed")] == ["interrupted"]


async def test_an_agent_that_raises_ends_its_run_alone(web):
    """Rows 99, 106: one `agent_error` with a trace id, then `failed`; another user's run completes."""
    alice, bob = await in_database(make_people, 2)
    async with await web.connect(alice) as a, await web.connect(bob) as b:
        failed, other = await asyncio.gather(whole_run(a, "/fail"), whole_run(b, "/stream 20 10"))
        await a.ping()
        assert {event["type"] for event in b.events} == {"message_added", *types_of(other)}
    assert types_of(failed)[-2:] == ["agent_error", "agent_completed"]
    (error,), (end,) = only(failed, "agent_error"), only(failed, "agent_completed")
    assert (error["code"], error["message"]) == ("agent_failed", "The agent failed.")
    assert end["outcome"] == "failed"
    assert "told to fail" not in str(failed)
    assert only(other, "agent_completed")[0]["outcome"] == "success"


async def test_the_trace_of_a_failed_run_is_in_the_worker_log(web, worker, alice):
    """Row 105: the trace id is found with the cause."""
    async with await web.connect(alice) as a:
        events = await whole_run(a, "/fail")
    trace_id = only(events, "agent_error")[0]["trace_id"]
    after = worker.output.split(trace_id, 1)[1]
    assert "RuntimeError: the demo agent was told to fail" in after


async def test_after_an_error_the_connection_starts_a_new_run(web, alice):
    """Row 104: in the same thread too."""
    async with await web.connect(alice) as a:
        failed = await whole_run(a, "/fail")
        again = await whole_run(a, "/think 1", thread_id=failed[0]["thread_id"])
        a.check_order()
    assert only(again, "agent_completed")[0]["outcome"] == "success"


async def test_four_people_get_their_own_runs(web):
    """Rows 92, 93: own sequence, result and run id, and nothing of the others."""
    people = await in_database(make_people, 4)
    clients = [await web.connect(person) for person in people]
    try:
        runs = await asyncio.gather(
            *(whole_run(client, f"/stream {10 + n} 5") for n, client in enumerate(clients))
        )
        for client in clients:
            await client.ping()
            client.check_order()
        for number, (client, events) in enumerate(zip(clients, runs, strict=True)):
            assert text_of(events).split()[-1] == str(10 + number)
            assert {event.get("run_id") for event in client.events} == {events[0]["run_id"]}
    finally:
        for client in clients:
            await client.close()


async def test_two_runs_of_one_user_interleave_unmixed(web, alice):
    """Rows 55, 94: in two threads at once; each whole, the stream contiguous."""
    async with await web.connect(alice) as a:
        first, second = await asyncio.gather(
            whole_run(a, "/stream 30 10"), whole_run(a, "/stream 31 10")
        )
        a.check_order()
    assert first[0]["run_id"] != second[0]["run_id"]
    assert text_of(first).split()[-1] == "30"
    assert text_of(second).split()[-1] == "31"
    assert first[0]["seq"] < second[-1]["seq"]
    assert second[0]["seq"] < first[-1]["seq"]


async def test_a_run_over_its_limit_is_cut(hasty, alice):
    """Row 100: outcome `timeout`, within the limit of 1 s and one second more."""
    async with await hasty.connect(alice) as a:
        accepted = await a.ask("user_message", content="/hang")
        await a.expect_event("agent_started")
        began = time.monotonic()
        events = await a.whole_run(accepted["payload"]["run_id"])
        took = time.monotonic() - began
    check_run(events)
    (end,) = only(events, "agent_completed")
    assert (end["outcome"], end["content"]) == ("timeout", text_of(events))
    assert only(events, "agent_error")[0]["code"] == "run_timeout"
    assert 0.5 < took < 2
