"""The table of what is measured."""

from tests.benchmarks.rows import ROWS


def test_every_server_serves_both_applications():
    servers = {
        application: {row.server for row in ROWS if row.application.name == application}
        for application in ("ours", "stock")
    }

    assert servers["ours"] == servers["stock"] == {"daphne", "uvicorn"}


def test_a_command_is_told_the_port():
    assert all("8123" in row.at(8123) for row in ROWS)
