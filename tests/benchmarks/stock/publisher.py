"""Publishes to users of the stock application, from a process of its own."""

import asyncio
import os
import sys
import uuid
from datetime import datetime, timezone

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.benchmarks.stock.settings"  # not those of the bench
django.setup()

from channels.layers import get_channel_layer  # noqa: E402 - reason: after the apps are loaded

from tests.benchmarks.publishing import PACE, Kind, piece, publish_on_demand  # noqa: E402 - reason: as above
from tests.benchmarks.stock.consumers import user_group  # noqa: E402 - reason: as above


def thought(text, number, position):
    """A step of what an agent thinks."""
    return {"text": text, "step": number}


def delta(text, number, position):
    """A piece of an answer."""
    return {"text": text, "position": position}


# The type of each kind, what is in it, and the seconds between two.
KINDS = {
    Kind.EVENT: ("agent_thinking", thought, 0),
    Kind.DELTA: ("agent_delta", delta, 0),
    Kind.ANSWER: ("agent_delta", delta, PACE),
}


class Answer:
    """A text that is told to one user, piece by piece."""

    def __init__(self, type_, payload, user_id):
        self.type, self.payload = type_, payload
        self.group = user_group(user_id)
        self.thread_id, self.run_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.position = 0

    async def publish(self, number):
        """Send the next piece to all sockets of the user."""
        text = piece(number)
        event = {
            "seq": number,
            "type": self.type,
            "ts": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "thread_id": self.thread_id,
            "run_id": self.run_id,
            "payload": self.payload(text, number, self.position),
        }
        self.position += len(text)
        message = {"type": "chat.event", "event": event}
        await get_channel_layer().group_send(self.group, message)


if __name__ == "__main__":
    type_, payload, pace = KINDS[Kind(sys.argv[1])]
    answers = [Answer(type_, payload, user_id) for user_id in sys.argv[2:]]
    asyncio.run(publish_on_demand([answer.publish for answer in answers], pace))
