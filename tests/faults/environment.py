"""The settings of a run: its own, whatever the shell has."""

import os
from pathlib import Path

# Short times, so that what heals after a while is seen to heal.
ENVIRONMENT = {
    "CHATROUTING_ROUTER": "tests.faults.routes.router",
    "CHATROUTING_HEARTBEAT_SECONDS": "5",
    "CHATROUTING_PROCESS_HEARTBEAT_SECONDS": "1",
    "CHATROUTING_PROCESS_DEAD_SECONDS": "4",
    "CHATROUTING_SWEEP_SECONDS": "1",
    "CHATROUTING_SEND_SECONDS": "4",
    "CHATROUTING_CONNECTIONS_PER_ADDRESS": "10000",
    "CHATROUTING_CONNECTIONS_PER_USER": "100",
    "CHATROUTING_MESSAGES_PER_MINUTE": "100000",
    "CHATROUTING_HANDSHAKES_PER_MINUTE": "100000",
    "CHATROUTING_DRAIN_SECONDS": "0.5",
}


def prepare_environment(folder: Path) -> None:
    """Settings of the shell would decide what is tried; these do."""
    for name in [name for name in os.environ if name.startswith("CHATROUTING_")]:
        del os.environ[name]
    for name in ("DATABASE_URL", "REDIS_URL", "LOG_LEVEL"):
        os.environ.pop(name, None)
    os.environ.update(
        ENVIRONMENT,
        DATA_DIR=str(folder),
        DEBUG="1",
        DJANGO_SETTINGS_MODULE="chatrouting.settings",
        SERVER=os.environ.get("TEST_SERVER", "daphne"),
    )
