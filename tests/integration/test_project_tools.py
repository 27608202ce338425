"""Tools of a project on a worker of their own: such as cannot be stopped, and such as return what JSON has not."""

import json
import time
from pathlib import Path

import pytest

from chatrouting.agents.models import ToolCall
from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.system import wait_until

HERE = "tests.integration"
TOOLS = f"{HERE}.side_effects.doze, {HERE}.typed_results.typed, {HERE}.typed_results.account"

TYPED = {
    "colour": "red",
    "size": 3,
    "day": "2026-02-03",
    "at": "2026-02-03T04:05:06.789000Z",
    "there": "2026-02-03T04:05:00+02:00",
    "key": "00000000-0000-0000-0000-000000000001",
    "price": "12.30",
    "several": ["red", {"3": "1E+2"}],
    "00000000-0000-0000-0000-000000000002": "2026-12-31",
}


@pytest.fixture
def marks(tmp_path):
    """Where the tools leave their lines."""
    return tmp_path / "marks"


@pytest.fixture
def project(own_system, own_database, marks):
    """A web process, with a worker that has these tools and no others beside it."""
    own = {
        "DATABASE_URL": own_database,
        "CHATROUTING_QUEUE": "project",
        "CHATROUTING_TOOLS": TOOLS,
        "MARKS": str(marks),
    }
    own_system.worker(**own)
    return own_system.web(**own)


async def left(marks: Path, line: str):
    """Wait until a tool has left this line."""

    def there():
        return marks.exists() and line in marks.read_text().split()

    await in_database(wait_until, there, f"{line!r} in {marks}")


def only(events, kind):
    (found,) = [event["payload"] for event in events if event["type"] == kind]
    return found


async def called(client, name):
    """Let this tool be called; the end of the call, and of the run."""
    accepted = await client.ask("user_message", content=f"/tool {name} {{}}")
    events = await client.whole_run(accepted["payload"]["run_id"])
    check_run(events)
    return only(events, "tool_completed"), only(events, "agent_completed")


async def test_a_tool_that_cannot_be_stopped_is_said_so_and_holds_up_no_stop(project, marks, alice):
    """Row 97: its call is `interrupted` and the run `cancelled`, at once and once; its end is heard by nobody."""
    async with await project.connect(alice) as a:
        accepted = await a.ask("user_message", content='/tool doze {"word": "done"}')
        run_id = accepted["payload"]["run_id"]
        await left(marks, "dozing")
        began = time.monotonic()
        await a.ask("stop_agent", run_id=run_id)
        events = await a.whole_run(run_id)
        took = time.monotonic() - began
        await a.expect_event("agent_completed", run_id=run_id, outcome="cancelled")
        await left(marks, "done")
        await a.assert_silent()
    check_run(events)
    completed = only(events, "tool_completed")
    assert completed["status"] == "interrupted"
    assert "cannot be stopped" in completed["error"]["message"]
    assert took < 1


async def test_what_json_has_not_is_written_as_text(project, tmp_path, alice):
    """Row 54: enums, dates, ids and decimals, the same for the members and in the journal."""
    async with await project.connect(alice) as a:
        completed, end = await called(a, "typed")
    kept = await in_database(
        ToolCall.objects.using(tmp_path.name).get, call_id=completed["call_id"]
    )
    assert (completed["status"], end["outcome"]) == ("ok", "success")
    assert completed["result"] == kept.result == TYPED


async def test_a_row_of_the_database_is_no_result(project, tmp_path, alice):
    """Row 54: the call ends with `error`, the run goes on, and nothing of the row is shown or kept."""
    async with await project.connect(alice) as a:
        completed, end = await called(a, "account")
    kept = await in_database(
        ToolCall.objects.using(tmp_path.name).get, call_id=completed["call_id"]
    )
    assert (completed["status"], completed["error"]["code"]) == ("error", "tool_failed")
    assert (kept.status, kept.result, end["outcome"]) == ("error", None, "success")
    shown = json.dumps([completed, end, kept.error_text])
    for secret in (alice.name, "password", "pbkdf2", "User"):
        assert secret not in shown
