"""What a worker does for a message is found by the message's trace id."""

from structlog.contextvars import bound_contextvars

from tests.agents.bench import a_bench


async def test_the_trace_of_a_tool_that_fails_is_that_of_the_message():
    """Row 105: one search finds the message, its run and the tool."""
    async with a_bench() as bench:
        with bound_contextvars(trace_id="of-the-message"):
            result = await bench.box.call("broken", {})

        assert result.text == "The tool failed (trace of-the-message)."
