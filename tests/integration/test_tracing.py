"""One trace id finds the whole story of a message: web, run and worker."""

import pytest

from chatrouting.agents.models import Run
from chatrouting.database import in_database
from chatrouting.testing.frames import assert_error


async def test_a_run_keeps_the_trace_of_the_message_it_answers(web, worker, alice):
    """Row 105: its failure tells the same id, which stands in both logs."""
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="/fail")
        run_id = accepted["payload"]["run_id"]
        events = await a.whole_run(run_id)
    (told,) = [each["payload"] for each in events if each["type"] == "agent_error"]
    run = await in_database(Run.objects.get, pk=run_id)

    assert told["trace_id"] == run.trace_id
    for process in (web, worker):
        assert run.trace_id in process.output


@pytest.mark.parametrize(
    ("code", "more"),
    [("busy", {"retry_after_ms": 1_000}), ("permission_denied", {}), ("not_found", {})],
)
async def test_a_refusal_of_a_handler_has_its_fields(lab, alice, code, more):
    """Rows 105, 107: and its trace id is in the log."""
    async with await lab.connect(alice) as a:
        answer = await a.ask("test.raise", "x", code=code)
    assert_error(answer, "x", code, **more)
    assert f"trace {answer['payload']['trace_id']}:" in lab.output
