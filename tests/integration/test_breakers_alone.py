"""Breakers of a process whose Valkey is away."""

import os
import signal
from pathlib import Path

from chatrouting.datafolder import valkey_url
from chatrouting.serving.valkey import EmbeddedValkey
from chatrouting.testing.system import System, wait_until
from tests.integration.weak_route import OWN, close_all, come, connect_all, open_for_all


async def test_a_process_shuts_a_route_by_itself_while_valkey_is_away(services, tmp_path):
    """Rows 53, 109: and serves the others; open sockets stay."""
    own = {
        "REDIS_URL": valkey_url(Path(tmp_path)),
        "CHATROUTING_ROUTER": "tests.routes_for_tests.router",
    }
    with EmbeddedValkey(tmp_path) as valkey, System(tmp_path) as system:
        web = system.web(**own)
        clients = await connect_all(web, 4)
        os.kill(valkey.pid, signal.SIGKILL)
        wait_until(lambda: not valkey.alive, "the end of Valkey")

        await open_for_all(clients)

        assert await come(clients[3], "good") == "circuit_open"
        assert (await clients[3].ask(OWN))["type"] == "thread_list"
        await close_all(*clients)
