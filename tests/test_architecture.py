"""The rules of the layout: who may import whom, and where a broad `except` may stand."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the inside out: a room imports itself and what stands before it.
ROOMS = (
    "routing_core",
    "chatrouting.stream",
    "chatrouting.threads",
    "chatrouting.agents",
    "chatrouting.chat",
    "chatrouting.connections",
    "chatrouting.console",
    "chatrouting.serving",
)
# Importable from every room, so they import none but `routing_core`.
SHARED = tuple(
    f"chatrouting.{name}"
    for name in (
        "accounts",
        "batches",
        "conf",
        "counters",
        "database",
        "datafolder",
        "garbage",
        "outages",
        "rows",
        "writes",
    )
)
# What a project's own tests use: it may start the whole product, which knows nothing of it.
TESTING = "chatrouting.testing"
PROJECT = "chatrouting"

LANGUAGE_MODEL_LIBRARIES = {"pydantic_ai", "openai", "anthropic", "litellm"}
PROVIDERS = "chatrouting.agents.providers"
SKIN = tuple(f"routing_core.{name}" for name in ("apps", "checks", "live", "management"))
KNOWS_THE_WORLD = {"asyncio", "logging", "socket", "ssl", "sqlite3", "subprocess", "threading"}
BROAD = {"Exception", "BaseException"}


def within(module, room):
    return module == room or module.startswith(f"{room}.")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for package in ("routing_core", "chatrouting")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported_names(tree, module, *, is_package=False):
    """Every module, or name in a module, that is imported anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = _start(node, module, is_package=is_package)
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _start(node, module, *, is_package):
    if not node.level:
        return node.module
    above = module.split(".")[: None if is_package and node.level == 1 else -node.level]
    return ".".join([*above, *([node.module] if node.module else [])])


def imports_of(module):
    path = MODULES[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return set(imported_names(tree, module, is_package=path.name == "__init__.py"))


def rank(module):
    """How far out a module of ours stands; None for what is importable from every room."""
    for place, room in enumerate(ROOMS, 1):
        if within(module, room):
            return place
    if any(within(module, name) for name in SHARED):
        return None
    if within(module, TESTING):
        return len(ROOMS) + 2
    return len(ROOMS) + 1


def outward(module, names):
    """The imports that point from this module to a room further out."""
    own = rank(module) or rank("routing_core")
    ours = {name for name in names if within(name, "routing_core") or within(name, PROJECT)}
    return sorted(name for name in ours if (rank(name) or 0) > own)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inwards(module):
    assert outward(module, imports_of(module)) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("chatrouting.stream.log", "from chatrouting.threads.models import Thread"),
        ("chatrouting.stream.log", "from chatrouting.threads import models"),
        ("chatrouting.stream.log", "import chatrouting.threads.models"),
        ("chatrouting.stream.log", "from ..threads import models"),
        ("chatrouting.stream.log", "def late():\n    from chatrouting import threads"),
        ("chatrouting.conf", "from chatrouting.stream import log"),
        ("chatrouting.chat.reading", "from chatrouting import routing"),
        ("chatrouting.serving.lock", "from chatrouting.testing import client"),
        ("routing_core.router", "from chatrouting.conf import chat_settings"),
    ],
)
def test_an_import_that_points_outwards_is_found(module, text):
    names = set(imported_names(ast.parse(text), module))

    found = outward(module, names) or outside_the_core(names)

    assert len(found) == 1


def outside_the_core(names):
    """What the pure core may not import: all but itself, msgspec and a standard library without I/O."""
    allowed = (set(sys.stdlib_module_names) - KNOWS_THE_WORLD) | {"msgspec", "routing_core"}
    return sorted(name for name in names if name.split(".")[0] not in allowed)


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if within(name, "routing_core") and not any(within(name, part) for part in SKIN)
    ],
)
def test_the_core_imports_nothing_that_knows_the_world(module):
    names = imports_of(module)

    assert outside_the_core(names) == []
    assert not [name for name in names if any(within(name, part) for part in SKIN)]


@pytest.mark.parametrize("module", [name for name in MODULES if not within(name, PROVIDERS)])
def test_only_a_provider_imports_a_language_model_library(module):
    assert not {name.split(".")[0] for name in imports_of(module)} & LANGUAGE_MODEL_LIBRARIES


def test_the_web_process_loads_no_language_model_library(report):
    """Also where a model is set: the web process knows the assistant by name, and that it is the default."""
    code = """
import sys, time
began = time.perf_counter()
import chatrouting.asgi, chatrouting.routing
from chatrouting.agents.catalogue import agent_names
from chatrouting.conf import chat_settings
print(time.perf_counter() - began, chat_settings().default_agent, *agent_names())
print(*{name.split('.')[0] for name in sys.modules})
"""

    seconds, default, *loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**os.environ, "DEBUG": "1", "AGENT_MODEL": "openai:gpt-5"},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip

    report(f"imports of a web process: {float(seconds):.1f} s")
    assert default == "assistant"
    assert {"chatrouting", "assistant", "demo"} <= set(loaded)
    assert not set(loaded) & LANGUAGE_MODEL_LIBRARIES


def broad_excepts(text):
    """The lines where a broad `except` stands without a comment, and does not raise again."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            head = lines[node.lineno - 1 : node.body[0].lineno]
            raises_again = isinstance(node.body[-1], ast.Raise)
            if not raises_again and not any("#" in line for line in head):
                yield node.lineno


def _is_broad(kind):
    if kind is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in BROAD for node in ast.walk(kind))


@pytest.mark.parametrize("module", MODULES)
def test_a_broad_except_says_why(module):
    assert list(broad_excepts(MODULES[module].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "head", ["except:", "except Exception:", "except (ValueError, BaseException) as error:"]
)
def test_a_broad_except_without_a_comment_is_found(head):
    assert list(broad_excepts(f"try:\n    a()\n{head}\n    b()\n")) == [3]
    assert list(broad_excepts(f"try:\n    a()\n{head}  # an edge\n    b()\n")) == []
    assert list(broad_excepts(f"try:\n    a()\n{head}\n    b()\n    raise\n")) == []
