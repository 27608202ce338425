"""The list of sockets of a process of one's own."""

import pytest

from chatrouting.connections import consumer
from chatrouting.connections.live import LiveConnections


@pytest.fixture
async def live(services):
    connections = LiveConnections()
    yield connections
    for socket in list(connections._open.values()):
        await connections.remove(socket)
    await connections.drain(0)


@pytest.fixture
def consumers(live, monkeypatch):
    """Consumers put their sockets into this one."""
    monkeypatch.setattr(consumer, "live_connections", lambda: live)
