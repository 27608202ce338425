"""A run's writer without the run: its key, who sees it, and what they were told."""

import json
import uuid

from chatrouting.agents.publisher import RunKey, RunPublisher
from chatrouting.stream.log import Append, RunMark, TextChange
from chatrouting.stream.publishing import event_log


class Run:
    """A run's key and the stream of who sees it."""

    def __init__(self, fence=1):
        self.user_id = uuid.uuid4().hex
        self.key = RunKey(uuid.uuid4(), uuid.uuid4(), fence)

    def publisher(self, delta_seconds=0.04):
        return RunPublisher(self.key, self.audience, delta_seconds)

    async def audience(self):
        return [self.user_id]

    async def events(self):
        log = event_log()
        epoch = (await log.read(self.user_id, "", 0)).epoch
        page = await log.read(self.user_id, epoch, 0, limit=5_000)
        return [json.loads(record.body) for record in page.records]

    async def take_over(self):
        """Another worker's claim, as the log sees it."""
        mark = RunMark(str(self.key.run_id), self.key.fence + 1, 1, TextChange.SET)
        await event_log().append([Append(self.user_id, b'{"type":"taken"}', mark=mark)])

    async def text(self):
        return (await event_log().run_text(self.user_id, str(self.key.run_id))).text


def deltas(events):
    """The payloads of the pieces of text."""
    return [event["payload"] for event in events if event["type"] == "agent_delta"]


def joined(events):
    """The text that they make."""
    return "".join(delta["text"] for delta in deltas(events))
