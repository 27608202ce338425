"""The table of what is measured."""

import os
import subprocess
import sys

import pytest

from tests.benchmarks.rows import ROOT, ROWS

LAYER = """
import runpy
runpy.run_module({module!r}, run_name="told")
from channels.layers import get_channel_layer
print(type(get_channel_layer()).__module__)
"""


def test_every_server_serves_both_applications():
    servers = {
        application: {row.server for row in ROWS if row.application.name == application}
        for application in ("ours", "stock")
    }

    assert servers["ours"] == servers["stock"] == {"daphne", "uvicorn"}


def test_a_command_is_told_the_port():
    assert all("8123" in row.at(8123) for row in ROWS)


@pytest.mark.parametrize("module", ["asgi", "publisher"])
def test_the_stock_application_has_the_stock_channel_layer(module, tmp_path):
    """Whatever settings the bench has, which its processes are started from."""
    ran = subprocess.run(
        [sys.executable, "-c", LAYER.format(module=f"tests.benchmarks.stock.{module}")],
        cwd=ROOT,
        env={
            **os.environ,
            "DATA_DIR": str(tmp_path),
            "SECRET_KEY": "not a secret",
            "ALLOWED_HOSTS": "127.0.0.1",
            "REDIS_URL": "redis://127.0.0.1:1",
            "DJANGO_SETTINGS_MODULE": "chatrouting.settings",
        },
        capture_output=True,
        text=True,
    )

    assert ran.stdout.strip() == "channels_redis.pubsub", ran.stderr
