"""A call of a tool: journaled, bounded, told of, and ended exactly once, however it goes."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from chatrouting.agents import approvals, runs
from chatrouting.agents.contract import ToolResult, ToolStatus
from chatrouting.agents.journal import RunOver
from chatrouting.agents.statuses import Outcome
from chatrouting.database import in_database
from tests.agents.bench import a_bench, release
from tests.agents.waiting import until


async def the_end_of(bench):
    """The payload of the one tool_completed, after one tool_executing with the same id."""
    (first, executing), (second, completed) = await bench.told()
    assert (first, second) == ("tool_executing", "tool_completed")
    assert executing["call_id"] == completed["call_id"]
    return completed


async def test_a_call_gives_its_result():
    async with a_bench() as bench:
        result = await bench.box.call("double", {"number": 2})

        assert (result.status, result.result) == ("ok", {"value": 4, "token": "hunter2"})


async def test_the_members_are_told_without_the_secrets():
    """Row 96: arguments and results: names that look secret are masked."""
    async with a_bench() as bench:
        await bench.box.call("double", {"number": 2, "password": "hunter2"})

        executing, completed = (payload for _, payload in await bench.told())
        assert executing["arguments"] == {"number": 2, "password": "•••"}
        assert completed["result"] == {"value": 4, "token": "•••"}


async def test_the_journal_keeps_the_call_without_the_secrets():
    async with a_bench() as bench:
        await bench.box.call("double", {"number": 2, "password": "hunter2"})

        row = await bench.row()
        assert (row.tool, row.status, row.attempt) == ("double", "ok", 1)
        assert row.arguments == {"number": 2, "password": "•••"}
        assert row.result == {"value": 4, "token": "•••"}
        assert row.duration_ms is not None


async def test_a_call_is_journaled_before_it_is_made():
    async with a_bench() as bench:
        release.clear()
        calling = asyncio.create_task(bench.box.call("unstoppable", {}))
        await until(bench.told)

        assert (await bench.row()).status == "started"
        release.set()
        await calling


async def test_a_tool_that_fails_ends_with_error_and_a_trace_alone(caplog):
    """Row 101: the run goes on and the model is told; nothing inside is shown."""
    async with a_bench() as bench:
        result = await bench.box.call("broken", {})

        completed = await the_end_of(bench)
        assert (result.status, result.code) == ("error", "tool_failed")
        assert (completed["status"], completed["error"]["code"]) == ("error", "tool_failed")
        assert "hunter2" not in completed["error"]["message"] + result.text
        trace = completed["error"]["message"].split("trace ")[1].rstrip(").")
        assert any(trace in record.getMessage() for record in caplog.records)


async def test_a_tool_over_its_limit_ends_with_timeout():
    """Row 90, 101."""
    async with a_bench() as bench:
        result = await bench.box.call("endless", {})

        completed = await the_end_of(bench)
        assert result.status == completed["status"] == "timeout"
        assert completed["error"]["message"] == "The tool took longer than 0.05 s."


async def test_a_timeout_inside_a_tool_is_its_failure():
    async with a_bench() as bench:
        assert (await bench.box.call("late", {})).status == "error"


async def test_bad_arguments_end_with_invalid_arguments():
    """Row 101."""
    async with a_bench() as bench:
        result = await bench.box.call("double", {"number": "two"})

        completed = await the_end_of(bench)
        assert result.status == completed["status"] == "invalid_arguments"
        assert "int" in completed["error"]["message"]


async def test_an_unknown_tool_is_an_error_that_names_those_there_are():
    async with a_bench() as bench:
        result = await bench.box.call("nothing", {})

        completed = await the_end_of(bench)
        assert (result.status, completed["error"]["code"]) == ("error", "unknown_tool")
        assert "double" in result.text


async def test_a_synchronous_tool_runs_in_a_thread_of_its_own():
    async with a_bench() as bench:
        assert (await bench.box.call("in_a_thread", {})).result.startswith("tool")


async def test_what_json_does_not_have_is_replaced():
    async with a_bench() as bench:
        await bench.box.call("unkeepable", {})

        completed = await the_end_of(bench)
        assert completed["result"] == {"nan": None, "text": "a\ufffd\ufffd", "1": [2]}
        assert (await bench.row()).status == "ok"


async def test_a_result_nobody_can_read_is_an_error():
    async with a_bench() as bench:
        assert (await bench.box.call("unserialisable", {})).status == "error"
        assert (await the_end_of(bench))["status"] == "error"


async def test_a_large_result_is_named_to_the_members_and_whole_for_the_model():
    """Over 32 KiB: null, with its address and size."""
    async with a_bench() as bench:
        result = await bench.box.call("huge", {})

        completed, row = await the_end_of(bench), await bench.row()
        assert len(result.result) == 90
        assert completed["result"] is None
        assert completed["result_bytes"] == row.result_bytes == 90 * 1_003 + 1
        assert completed["result_url"] == f"/runs/{bench.run.pk}/calls/{row.pk}/result"


async def test_the_person_of_a_call_is_the_one_who_started_the_run():
    async with a_bench() as bench:
        result = await bench.box.call("whose", {}, "mine")

        assert result.result == [
            str(bench.run.user_id), str(bench.run.pk), str(bench.run.thread_id), "mine",
            f"{bench.run.pk}:mine",
        ]  # fmt: skip


async def test_nobody_else_can_be_named_in_the_arguments():
    async with a_bench() as bench:
        assert (await bench.box.call("whose", {"mine": 1})).status == "invalid_arguments"


async def test_a_tool_whose_permission_the_person_has_not_is_denied():
    """Row 101: denied; the run goes on and the model is told."""
    async with a_bench() as bench:
        result = await bench.box.call("guarded", {})

        assert (result.status, result.code) == ("denied", "permission_denied")
        assert (await the_end_of(bench))["status"] == "denied"


async def test_a_tool_whose_permission_the_person_has_is_called():
    async with a_bench() as bench:
        await in_database(permit, bench.run.user_id, "add_thread")

        assert (await bench.box.call("guarded", {})).result == "done"


def permit(user_id, codename):
    get_user_model().objects.get(pk=user_id).user_permissions.add(
        Permission.objects.get(codename=codename)
    )


async def test_large_arguments_are_cut():
    """Row 96."""
    async with a_bench() as bench:
        await bench.box.call("double", {"number": ["x" * 1_000] * 99})

        (_, executing), _ = await bench.told()
        assert len(executing["arguments"]["…"]) < 5_000


async def test_a_name_without_end_is_cut():
    async with a_bench() as bench:
        await bench.box.call("n" * 500, {})

        assert (await the_end_of(bench))["tool"] == "n" * 64
        assert bench.box.used == ["n" * 64]


async def test_an_agents_own_call_is_told_as_one_of_the_project():
    async with a_bench() as bench:
        await bench.box.begin("mine", "search", {"query": "x", "api_key": "hunter2"})
        await bench.box.complete(ToolResult("mine", ToolStatus.OK, [1]))

        (_, executing), _ = await bench.told()
        assert executing == {
            "call_id": "mine",
            "tool": "search",
            "arguments": {"query": "x", "api_key": "•••"},
        }
        assert (await the_end_of(bench))["result"] == [1]


async def test_a_second_end_of_a_call_is_dropped():
    async with a_bench() as bench:
        await bench.box.begin("mine", "search", {})
        await bench.box.complete(ToolResult("mine", ToolStatus.OK, 1))
        await bench.box.complete(ToolResult("mine", ToolStatus.OK, 2))

        assert (await the_end_of(bench))["result"] == 1


async def test_the_end_of_a_call_that_never_began_is_dropped():
    async with a_bench() as bench:
        await bench.box.complete(ToolResult("other", ToolStatus.OK, 1))

        assert await bench.told() == []


async def test_an_open_call_is_interrupted_when_the_run_ends():
    async with a_bench() as bench:
        await bench.box.begin("mine", "search", {})
        await bench.box.interrupt_open()

        completed = await the_end_of(bench)
        assert (completed["status"], completed["error"]["code"]) == ("interrupted", "interrupted")
        assert (await bench.row()).status == "interrupted"


async def test_a_synchronous_tool_is_said_to_be_unstoppable():
    """Row 97: a sync tool that cannot be stopped is said so."""
    release.clear()
    async with a_bench() as bench:
        calling = asyncio.create_task(bench.box.call("unstoppable", {}))
        await until(bench.told)
        calling.cancel()
        await asyncio.wait({calling})
        await bench.box.interrupt_open()

        assert "cannot be stopped" in (await the_end_of(bench))["error"]["message"]
    release.set()


async def test_the_tools_of_a_run_that_is_over_are_closed():
    async with a_bench() as bench:
        await bench.box.interrupt_open()

        with pytest.raises(RunOver):
            await bench.box.call("double", {"number": 1})
        assert await bench.told() == []


async def test_a_call_that_comes_after_the_end_of_its_run_is_not_journaled():
    """Row 97: the worker may not know yet, and nobody would ever close the call."""
    async with a_bench() as bench:
        await in_database(runs.end, bench.run, runs.Ending(Outcome.CANCELLED))

        with pytest.raises(RunOver):
            await bench.box.call("double", {"number": 1})
        assert not await in_database(bench.run.tool_calls.exists)


async def test_a_call_that_the_end_of_its_run_has_closed_waits_for_nobody():
    async with a_bench() as bench:
        await bench.box.begin("call", "double", {})
        await in_database(runs.end, bench.run, runs.Ending(Outcome.CANCELLED))

        with pytest.raises(RunOver):
            await in_database(approvals.require, bench.run, await bench.row())
        assert (await bench.row()).status == "interrupted"


async def test_calls_at_the_same_time_each_have_their_own_end():
    """Row 90: each tool_executing has one tool_completed with the same call id."""
    async with a_bench() as bench:
        names = ["double", "broken", "endless", "in_a_thread", "nothing"] * 3
        await asyncio.gather(*(bench.box.call(name, {}) for name in names))

        told = await bench.told()
        began = [payload["call_id"] for kind, payload in told if kind == "tool_executing"]
        ended = [payload["call_id"] for kind, payload in told if kind == "tool_completed"]
        assert len(began) == len(set(began)) == 15
        assert sorted(began) == sorted(ended)


async def test_the_tools_used_are_named_once_in_order():
    async with a_bench() as bench:
        for name in ("double", "nothing", "double"):
            await bench.box.call(name, {})

        assert bench.box.used == ["double", "nothing"]
