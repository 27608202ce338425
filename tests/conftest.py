"""The environment of all tests: the real database and the real Valkey, in a folder of their own.

The processes that integration tests start use the same two, so every test makes its own people and
never cleans up. `DATABASE_URL` and `REDIS_URL` from outside are honoured, other settings are not; on a
PostgreSQL each process of the tests makes a database of its own beside the one that is named.

`TEST_SERVER` says what serves (`daphne`, `uvicorn`), `TEST_WEBS` how many web processes most tests share,
`TEST_LONG=1` asks for the full size of what is tried in a smaller one else.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.databases import created, own_url

# Settings of the shell that starts the tests would decide what they see.
OUTSIDE = {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS",
           "TRUSTED_PROXIES", "METRICS_TOKEN", "HOST", "PORT", "LOG_LEVEL", "SERVER", "AGENT_MODEL",
           "OPENAI_BASE_URL", "OPENAI_API_KEY"}  # fmt: skip
for variable in set(os.environ):
    if variable in OUTSIDE or variable.startswith("CHATROUTING_"):
        del os.environ[variable]

# Each of the processes that are started would compile the project anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

FOLDER = tempfile.TemporaryDirectory(prefix="chatrouting-")
os.environ.update(
    DATA_DIR=FOLDER.name,
    DEBUG="1",
    DJANGO_SETTINGS_MODULE="chatrouting.settings",
    SERVER=os.environ.get("TEST_SERVER", "daphne"),
)
if "DATABASE_URL" in os.environ:
    # Workers of several inherit what is set here.
    named = os.environ.setdefault("TEST_BESIDE", os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = own_url(named, os.environ.get("PYTEST_XDIST_WORKER", ""))
WEBS = int(os.environ.get("TEST_WEBS", "1"))
BOTH_SERVERS = [
    pytest.param(name, marks=pytest.mark.both_servers) for name in ("daphne", "uvicorn")
]

import django  # noqa: E402 - reason: the environment comes first

django.setup()

from django.conf import settings  # noqa: E402 - reason: as above
from django.core.management import call_command  # noqa: E402 - reason: as above
from django.db import connection, connections  # noqa: E402 - reason: as above

from chatrouting.agents.queue import run_queue  # noqa: E402 - reason: as above
from chatrouting.serving.valkey import EmbeddedValkey  # noqa: E402 - reason: as above
from chatrouting.stream.doorbell import channel_layer  # noqa: E402 - reason: as above
from chatrouting.stream.valkey import close_valkey  # noqa: E402 - reason: as above
from chatrouting.testing.system import Running, System, Web, in_turn  # noqa: E402 - reason: as above

# Folders in the order they run: what fails fast comes first.
ORDER = ("routing_core", "test_", "benchmarks", "stream", "threads", "agents", "chat",
         "connections", "console", "serving", "integration", "faults", "browser")  # fmt: skip
PURE = ("routing_core", "benchmarks", "faults", "test_architecture.py", "test_budgets.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first; what is not pure gets database and Valkey."""
    items.sort(key=lambda item: _rank(_place(item)))
    for item in items:
        if not _place(item).startswith(PURE) and isinstance(item, pytest.Function):
            item.fixturenames.insert(0, "services")


def _place(item: pytest.Item) -> str:
    return str(item.path.relative_to(Path(__file__).parent))


def _rank(place: str) -> int:
    return next((rank for rank, name in enumerate(ORDER) if place.startswith(name)), len(ORDER))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Halves of surrogate pairs, which some tests log, cannot travel from a worker of several."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Say a measured figure at the end of the run. No figure decides whether a test passes."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(f"measured: {line}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of several hands what it measured to the process that shows it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = session.config.stash.get(FIGURES, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of several has ended: what it measured is shown with the rest."""
    figures = node.config.stash.setdefault(FIGURES, [])
    figures += getattr(node, "workeroutput", {}).get("figures", [])


def pytest_configure(config: pytest.Config) -> None:
    """In our order: tests below the processes must not find a worker that took up what they leave lying."""
    config.option.loadscopereorder = False


def pytest_unconfigure() -> None:
    """Remove the folder before the interpreter finds it left, which would be a warning."""
    FOLDER.cleanup()


@pytest.fixture(scope="session")
def services() -> Iterator[None]:
    """Valkey answers and the tables are there."""
    outside = "REDIS_URL" in os.environ
    postgresql = connection.vendor == "postgresql"
    with (
        created(settings.DATABASES["default"]) if postgresql else nullcontext(),
        nullcontext() if outside else EmbeddedValkey(Path(FOLDER.name)),
    ):
        call_command("migrate", verbosity=0)
        yield
        connections.close_all()


@pytest.fixture(scope="session", autouse=True)
async def loop_clients() -> AsyncIterator[None]:
    """What the tests' event loop opened is closed at its end."""
    yield
    await run_queue().close()
    await channel_layer().flush()
    await close_valkey()


@pytest.fixture(scope="session")
def shared_system(services: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Starts the processes that most tests share; they end with the session."""
    with System(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture(scope="module")
def system(services: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Starts processes of the project; they end with the tests of a file."""
    with System(tmp_path_factory.mktemp("logs")) as started:
        yield started


@pytest.fixture(scope="session")
def worker(shared_system: System) -> Running:
    """The worker that most tests share."""
    return shared_system.worker()


def webs(system: System, **environment: str) -> Web:
    """A web process, or as many as the tests are run with, which take turns with new sockets."""
    return in_turn([system.web(**environment) for _ in range(WEBS)])


@pytest.fixture(scope="session")
def web(shared_system: System, worker: Running) -> Web:
    """The web process that most tests share, with a worker behind it; or several, that take turns."""
    return webs(shared_system)
