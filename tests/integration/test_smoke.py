from chatrouting.database import in_database
from chatrouting.testing.order import check_run
from chatrouting.testing.people import make_person
from chatrouting.testing.system import Web


async def test_a_plain_question_shows_all_five_events(web: Web) -> None:
    """Row 88: a run emits its events in the order of the protocol."""
    alice = await in_database(make_person, "alice")
    async with await web.connect(alice) as a:
        accepted = await a.ask("user_message", content="What is 6 * 7?")
        events = await a.whole_run(accepted["payload"]["run_id"])
        check_run(events)
        a.check_order()
    assert {"agent_started", "agent_thinking", "tool_executing", "tool_completed"} <= {
        event["type"] for event in events
    }
