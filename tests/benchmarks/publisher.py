"""Publishes to users of this project as a worker does: stored, resumable, marked as a run's."""

import asyncio
import os
import sys
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatrouting.settings")
django.setup()

from chatrouting.agents.messages import AgentDelta, AgentThinking  # noqa: E402 - reason: after the apps are loaded
from chatrouting.agents.publisher import RunKey, RunPublisher  # noqa: E402 - reason: as above
from chatrouting.conf import chat_settings  # noqa: E402 - reason: as above
from chatrouting.stream.log import RunMark, TextChange  # noqa: E402 - reason: as above
from chatrouting.stream.publishing import Event, publish  # noqa: E402 - reason: as above
from tests.benchmarks.publishing import PACE, Kind, piece, publish_on_demand  # noqa: E402 - reason: as above


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


def run_of(user_id: str) -> RunPublisher:
    """What a worker tells a run with whose one member this user is."""

    async def members() -> Sequence[str]:
        return (user_id,)

    key = RunKey(uuid.uuid4(), uuid.uuid4(), fence=1)
    return RunPublisher(key, members, chat_settings().delta_milliseconds / 1000)


async def write_answers(user_ids: Sequence[str]) -> None:
    """Let a run of each user write what it is asked for, piece by piece, through all that a worker has."""
    async with AsyncExitStack() as stack:
        told = [await stack.enter_async_context(run_of(user_id)) for user_id in user_ids]
        writing = [lambda number, run=run: run.write(piece(number)) for run in told]
        await publish_on_demand(writing, PACE)


async def main(kind: Kind, user_ids: Sequence[str]) -> None:
    """Publish what is asked for."""
    if kind is Kind.ANSWER:
        await write_answers(user_ids)
    else:
        told_by = {Kind.EVENT: Thoughts, Kind.DELTA: Answer}[kind]
        await publish_on_demand([told_by(user_id).publish for user_id in user_ids])


if __name__ == "__main__":
    asyncio.run(main(Kind(sys.argv[1]), sys.argv[2:]))
