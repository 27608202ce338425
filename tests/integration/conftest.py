"""Somebody to connect as, and processes with settings of their own beside the ones that most tests share."""

import shutil

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connections

from chatrouting.console.breakers import reset
from chatrouting.database import in_database
from chatrouting.testing.people import make_person
from chatrouting.testing.system import Running, System, Web
from tests.conftest import webs
from tests.databases import known_as

TEST_ROUTES = "tests.routes_for_tests.router"


@pytest.fixture
async def alice(services):
    """Somebody who is signed in."""
    return await in_database(make_person, "alice")


@pytest.fixture
def own_system(services, tmp_path):
    """Processes that end with the test."""
    with System(tmp_path) as started:
        yield started


@pytest.fixture
async def unbroken(services):
    """What tests before have made fail is served: the breakers of all processes stand in one Valkey."""
    for route in ("test.fail", "test.sleep"):
        await in_database(reset, route, "a test")


@pytest.fixture(scope="session")
def lab(shared_system: System, worker: Running) -> Web:
    """As `web`, which also serves the routes for tests, and trusts one other site.

    Handlers of all its processes wait at the same gates. A route that is added serves in the process that was
    asked: `lab.processes` are what such a test connects to.
    """
    return webs(
        shared_system,
        CHATROUTING_ROUTER=TEST_ROUTES,
        CSRF_TRUSTED_ORIGINS="https://trusted.example",
    )


@pytest.fixture(scope="session")
def brisk(shared_system: System) -> Web:
    """As `lab`, with short limits: a silent socket ends after 1 s, a handler after 0.3 s."""
    return webs(
        shared_system,
        CHATROUTING_ROUTER=TEST_ROUTES,
        CHATROUTING_HEARTBEAT_SECONDS="0.5",
        CHATROUTING_HANDLER_SECONDS="0.3",
    )


def opened(path, alias):
    """The database in this file, under an alias."""
    given = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
    return known_as(alias, connections.configure_settings({"default": given})["default"])


@pytest.fixture(scope="session")
def new_database(services, tmp_path_factory):
    """The file of a database in which nobody is: to make one takes two seconds, to copy it none."""
    path = tmp_path_factory.mktemp("new") / "db.sqlite3"
    with opened(path, "new"):
        call_command("migrate", database="new", verbosity=0)
    return path


@pytest.fixture
def own_database(alice, new_database, tmp_path):
    """A database in which only alice is: workers elsewhere sweep the other one."""
    path, alias = shutil.copy(new_database, tmp_path), tmp_path.name
    with opened(path, alias):
        get_user_model().objects.get(pk=alice.user_id).save(using=alias)
        Session.objects.get(session_key=alice.session_key).save(using=alias)
        connections[alias].close()
        yield f"sqlite:///{path}"
