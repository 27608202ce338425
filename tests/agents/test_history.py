"""What an agent is told of its thread."""

from chatrouting.agents.contract import Spoken
from chatrouting.agents.history import history_of
from chatrouting.agents.models import Run
from chatrouting.threads.models import ThreadMessage


async def test_the_first_question_is_told_without_a_look_at_the_database():
    """Nothing of this run is stored."""
    question = ThreadMessage(position=1, role="user", author_name="alice", content="hello")

    assert await history_of(Run(question=question)) == (Spoken("user", "alice", "hello"),)
