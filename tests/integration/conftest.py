"""Web processes with settings of their own, beside the one that most tests share."""

import pytest

from chatrouting.testing.system import Running, System, Web

TEST_ROUTES = "tests.routes_for_tests.router"


@pytest.fixture(scope="session")
def lab(system: System, worker: Running) -> Web:
    """A web process that also serves the routes for tests, and trusts one other site."""
    return system.web(
        CHATROUTING_ROUTER=TEST_ROUTES, CSRF_TRUSTED_ORIGINS="https://trusted.example"
    )


@pytest.fixture(scope="session")
def brisk(system: System) -> Web:
    """As `lab`, with short limits: a silent socket ends after 1 s, a handler after 0.3 s."""
    return system.web(
        CHATROUTING_ROUTER=TEST_ROUTES,
        CHATROUTING_HEARTBEAT_SECONDS="0.5",
        CHATROUTING_HANDLER_SECONDS="0.3",
    )
