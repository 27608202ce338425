"""What is measured: two applications, each on two servers."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OWN = str(ROOT / ".venv/bin/python")
PEERS = str(ROOT / ".bench/bin/python")
CHILD = (PEERS, "-m", "tests.benchmarks.child")
LOAD = (*CHILD, "tests.benchmarks.load")
FLOOR = (OWN, "-m", "tests.benchmarks.floor")
OURS = "ours"
STOCK = "stock"


@dataclass(frozen=True, slots=True)
class Application:
    """What is served. `publisher` is the command that publishes to its users from outside."""

    name: str
    publisher: tuple[str, ...]
    welcomed: bool
    path: str = "/ws/chat/"


@dataclass(frozen=True, slots=True)
class Row:
    """An application on a server. The command is given the port in the place of `{port}`."""

    application: Application
    server: str
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """How it is called in the tables."""
        return f"{self.application.name}/{self.server}"

    @property
    def is_ours(self) -> bool:
        """Whether a loss here is a defect of this project."""
        return self.application.name == OURS

    def at(self, port: int) -> list[str]:
        """The command that serves on this port."""
        return [word.format(port=port) for word in self.command]


_STOCK = Application(STOCK, (PEERS, "-m", "tests.benchmarks.stock.publisher"), welcomed=False)
_OURS = Application(OURS, (OWN, "-m", "tests.benchmarks.publisher"), welcomed=True)
_ASGI = "tests.benchmarks.stock.asgi:application"
_WEB = (OWN, "manage.py", "run_web", "--host", "127.0.0.1", "--port", "{port}")

ROWS = (
    Row(_STOCK, "daphne", (*CHILD, "daphne", "-v", "0", "-p", "{port}", _ASGI)),
    Row(
        _STOCK,
        "uvicorn",
        (*CHILD, "uvicorn", "--port", "{port}", "--loop", "uvloop", "--ws", "websockets-sansio",
         "--no-access-log", "--log-level", "warning", "--lifespan", "off", _ASGI),
    ),
    Row(_OURS, "daphne", (*_WEB, "--server", "daphne")),
    Row(_OURS, "uvicorn", (*_WEB, "--server", "uvicorn")),
)  # fmt: skip
