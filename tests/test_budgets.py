"""What a reader can hold in mind: the size of files and functions, and that each class says what it is."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLACES = ("routing_core", "chatrouting", "tests", "scripts", "docs")
FILE_LINES = 300
FUNCTION_LINES = 50
FUNCTION_ARGUMENTS = 5

# A class on one of these says by its name, and by what it holds, what it is.
SELF_EVIDENT = {"AppConfig", "BaseCommand", "PipedCommand"}
CHECK_ID = re.compile(r"[a-z_]+\.[CDEIW]\d{3}")

FILES = [
    path
    for path in [
        ROOT / "manage.py",
        *(path for place in PLACES for path in sorted((ROOT / place).rglob("*.py"))),
    ]
    if "migrations" not in path.parts  # written by Django
]
PRODUCT = [path for path in FILES if "tests" not in path.relative_to(ROOT).parts]
CORE = [path for path in PRODUCT if path.is_relative_to(ROOT / "routing_core")]


def shown(path):
    return str(path.relative_to(ROOT))


def read(path):
    return path.read_text(encoding="utf-8")


def functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def long_functions(text):
    return [
        node.name
        for node in functions(text)
        if (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    ]


def many_arguments(text):
    return [
        node.name
        for node in functions(text)
        if len(
            [a for a in [*node.args.posonlyargs, *node.args.args] if a.arg not in ("self", "cls")]
        )
        > FUNCTION_ARGUMENTS
    ]


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_file_is_short(path):
    assert len(read(path).splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_function_is_short(path):
    assert long_functions(read(path)) == []


def test_a_long_function_is_found():
    body = "    pass\n" * FUNCTION_LINES

    assert long_functions(f"def short():\n{body[:-9]}") == []
    assert long_functions(f"async def long():\n{body}") == ["long"]


@pytest.mark.parametrize("path", PRODUCT, ids=shown)
def test_a_function_takes_few_arguments(path):
    assert many_arguments(read(path)) == []


def test_a_function_of_many_arguments_is_found():
    assert many_arguments("def f(self, a, b, c, d, e): ...") == []
    assert many_arguments("def f(self, a, b, c, d, e, f): ...") == ["f"]


def undocumented(text):
    """The module, where it has code, and its public classes that say nothing of themselves."""
    tree = ast.parse(text)
    imports_only_an_app = "AppConfig" in text
    if tree.body and not ast.get_docstring(tree) and not imports_only_an_app:
        yield "module"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not _says_what_it_is(node):
            yield node.name


def _says_what_it_is(node):
    if node.name.startswith("_") or ast.get_docstring(node):
        return True
    if {base.id for base in node.bases if isinstance(base, ast.Name)} & SELF_EVIDENT:
        return True
    names = {
        t.id
        for a in node.body
        if isinstance(a, ast.Assign)
        for t in a.targets
        if isinstance(t, ast.Name)
    }
    return {"code", "text"} <= names  # an error of the protocol: its text is its docstring


@pytest.mark.parametrize("path", CORE, ids=shown)
def test_the_core_says_what_its_parts_are(path):
    assert list(undocumented(read(path))) == []


def test_a_class_without_a_docstring_is_found():
    assert list(undocumented('"""A file."""\nclass Thing: ...\nclass _Own: ...')) == ["Thing"]
    assert list(undocumented("import json")) == ["module"]


def check_ids(text):
    """The ids of the system checks that are made in this file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg == "id":
            value = node.value.value if isinstance(node.value, ast.Constant) else ""
            if CHECK_ID.fullmatch(str(value)):
                yield value


def test_a_check_id_means_one_thing():
    count = Counter(name for path in PRODUCT for name in check_ids(read(path)))

    assert "routing_core.E001" in count
    assert [name for name, times in count.items() if times > 1] == []


def test_no_file_has_a_name_that_says_nothing():
    empty = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}

    named = [path for path in FILES if shown(path) != "chatrouting/sqlite/base.py"]  # by Django
    assert [shown(path) for path in named if {path.stem, path.parent.name} & empty] == []
