"""What becomes of a run whose worker died."""

from django.utils import timezone

from chatrouting.agents import claims, ending, runs, stopping
from chatrouting.agents.contract import Delta, ToolCall, ToolResult, ToolStatus
from chatrouting.agents.models import Run
from chatrouting.agents.models import ToolCall as JournaledCall
from chatrouting.conf import chat_settings
from chatrouting.database import in_database
from tests.agents.accepted import events_of, expire, now_of
from tests.agents.hosted import WAITING, a_host, attend, ended, left_behind, row_of, types_of
from tests.agents.scripted import FailingAgent, ScriptedAgent
from tests.away import valkey_away


async def test_a_run_is_begun_again_where_no_tool_has_started(install):
    """Row 51: another takes over; the user sees one end."""
    run = await left_behind(*WAITING, after="agent_delta")
    install(ScriptedAgent([Delta("again")]))

    row, events = await ended(run)

    end = events[-1]["payload"]
    assert (row.outcome, end["attempt"], end["content"]) == ("success", 2, "again")


async def test_an_agent_that_may_not_begin_again_loses_its_run_and_keeps_the_text(install, caplog):
    """Row 103: ends lost; the user is told. The text so far is kept."""
    run = await left_behind(*WAITING, after="agent_delta")
    install(FailingAgent())

    row, events = await ended(run)

    end = events[-1]["payload"]
    assert (end["outcome"], end["attempt"], end["content"]) == ("lost", 1, "so far")
    assert row.error_code == "worker_lost"
    assert row.trace_id in caplog.text


async def test_the_text_is_kept_also_where_valkey_is_away_at_the_end(tmp_path):
    """Row 53: what the members were shown is what stands in the history."""
    run = await left_behind(*WAITING, after="agent_delta")
    with valkey_away(tmp_path):
        assert await stopping.end_abandoned(run.pk)

    await ending.publish_late(await row_of(run))

    *_, end = await events_of(run)
    assert (end["type"], end["payload"]["content"]) == ("agent_completed", "so far")
    assert await in_database(lambda: now_of(run).answer.content) == "so far"


async def test_a_run_whose_tool_had_started_is_not_begun_again(install):
    """A tool that may have done something is never silently run again."""
    agent = ScriptedAgent()
    run = await left_behind(ToolCall("a", "own", {}), 60.0, after="tool_executing")
    install(agent)

    row, events = await ended(run)

    assert (row.outcome, agent.seen) == ("lost", [])
    (completed,) = [e["payload"] for e in events if e["type"] == "tool_completed"]
    assert (completed["call_id"], completed["status"]) == ("a", "interrupted")
    assert events[-1]["payload"]["tools_used"] == ["own"]


async def test_a_call_whose_end_was_told_and_not_journaled_ends_once(install):
    """Row 90: exactly one tool_completed, also where a worker dies between telling and journaling."""
    result = ToolResult("a", ToolStatus.OK, 1)
    run = await left_behind(ToolCall("a", "own", {}), result, 60.0, after="tool_completed")
    await in_database(JournaledCall.objects.filter(run=run).update, status="started", result=None)
    install(ScriptedAgent())

    _, events = await ended(run)

    ends = [e["payload"]["status"] for e in events if e["type"] == "tool_completed"]
    assert ends == ["ok"]


async def test_a_call_that_was_journaled_and_not_told_is_told_whole(install):
    """Row 90: a worker that dies between journaling and telling leaves no end without a beginning."""
    run = await left_behind(*WAITING, after="agent_delta")
    await in_database(
        JournaledCall.objects.create, run=run, call_id="a", attempt=1, tool="own",
        arguments={"n": 1}, started_at=timezone.now(),
    )  # fmt: skip
    install(ScriptedAgent())

    _, events = await ended(run)

    assert [e["type"] for e in events][2:4] == ["tool_executing", "tool_completed"]


async def test_what_a_journaled_call_gave_is_told_where_only_its_end_was_lost(install):
    run = await left_behind(ToolCall("a", "own", {}), 60.0, after="tool_executing")
    await in_database(
        JournaledCall.objects.filter(run=run).update, status="ok", result={"n": 2}, duration_ms=5
    )
    install(ScriptedAgent())

    _, events = await ended(run)

    (completed,) = [e["payload"] for e in events if e["type"] == "tool_completed"]
    assert (completed["status"], completed["result"]) == ("ok", {"n": 2})


async def test_a_recovery_that_fails_halfway_tells_each_end_once(install, monkeypatch, caplog):
    run = await left_behind(ToolCall("a", "own", {}), 60.0, after="tool_executing")
    install(ScriptedAgent())

    async def cut(run):
        raise RuntimeError

    with monkeypatch.context() as failing:
        failing.setattr(stopping, "text_so_far", cut)
        async with a_host() as host:
            await attend(host, run.pk)
    assert (await types_of(run))[-1] == "tool_completed"
    await in_database(expire, run)

    _, events = await ended(run)

    assert [event["type"] for event in events].count("tool_completed") == 1
    assert events[-1]["payload"]["attempt"] == 1


async def test_a_lost_run_that_was_to_be_stopped_is_cancelled(install):
    """Row 97: agent_completed cancelled exactly once."""
    run = await left_behind(*WAITING, after="agent_delta")
    await in_database(runs.request_stop, run)
    install(ScriptedAgent())

    row, events = await ended(run)

    assert (row.outcome, row.error_code) == ("cancelled", "")
    assert "agent_error" not in [event["type"] for event in events]


async def test_a_run_that_loses_every_worker_is_given_up(install):
    """Row 49: retried at most N times; none vanishes."""
    run = await left_behind(*WAITING, after="agent_delta")
    attempts = chat_settings().run_attempts
    await in_database(Run.objects.filter(pk=run.pk).update, attempt=attempts)
    agent = ScriptedAgent()
    install(agent)

    async with a_host() as host:
        await attend(host, run.pk)

    assert ((await row_of(run)).outcome, agent.seen) == ("lost", [])


async def test_a_run_that_workers_handed_over_is_not_given_up_for_that(install):
    """Rows 49, 70: that a worker was stopped, as by each deploy, is no failed attempt."""
    run = await left_behind(*WAITING, after="agent_delta")
    attempts = chat_settings().run_attempts
    begun = Run.objects.filter(pk=run.pk)
    await in_database(begun.update, attempt=attempts, handed_over=1)
    install(ScriptedAgent([Delta("again")]))

    async with a_host() as host:
        await attend(host, run.pk)

    row = await row_of(run)
    assert (row.outcome, row.attempt) == ("success", attempts + 1)


async def test_an_attempt_that_was_handed_over_is_counted_as_such(install):
    run = await left_behind(*WAITING, after="agent_delta")

    assert await in_database(claims.hand_over, run)

    assert (await row_of(run)).handed_over == 1
