"""Publishes to users of this project as a worker does: stored, resumable, marked as a run's."""

import asyncio
import os
import sys
import uuid

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatrouting.settings")
django.setup()

from chatrouting.agents.messages import AgentDelta, AgentThinking  # noqa: E402 - reason: after the apps are loaded
from chatrouting.stream.log import RunMark, TextChange  # noqa: E402 - reason: as above
from chatrouting.stream.publishing import Event, publish  # noqa: E402 - reason: as above
from tests.benchmarks.publishing import Kind, piece, publish_on_demand  # noqa: E402 - reason: as above


class Thoughts:
    """What a run thinks, step by step, and tells one user."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.thread_id, self.run_id = uuid.uuid4(), uuid.uuid4()

    async def publish(self, number: int) -> None:
        """Append the next step and ring."""
        thought = AgentThinking(text=piece(number), step=number)
        mark = RunMark(str(self.run_id), 1, number)
        await publish([self.user_id], Event(thought, self.thread_id, self.run_id, mark=mark))


class Answer:
    """A run's text that is written to one user, piece by piece."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.thread_id, self.run_id = uuid.uuid4(), uuid.uuid4()
        self.position = 0

    async def publish(self, number: int) -> None:
        """Append the next piece and ring. It is ASCII: as many bytes as code points stand before it."""
        text = piece(number)
        delta = AgentDelta(text=text, position=self.position)
        mark = RunMark(str(self.run_id), 1, number, TextChange.ADD, text, self.position)
        self.position += len(text)
        await publish([self.user_id], Event(delta, self.thread_id, self.run_id, mark=mark))


TOLD_BY = {Kind.EVENT: Thoughts, Kind.DELTA: Answer}

if __name__ == "__main__":
    told_by = TOLD_BY[Kind(sys.argv[1])]
    asyncio.run(publish_on_demand([told_by(user_id).publish for user_id in sys.argv[2:]]))
