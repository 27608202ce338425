"""The code of a page of the documentation, as the reader would copy it."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^ *```(?P<kind>\w+)\n(?P<code>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# (?P<path>[\w/]+\.py)(?P<end>, at the end)?\n")


def blocks(page: str, kind: str) -> list[str]:
    """The blocks of this kind on a page below `docs/`, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [textwrap.dedent(each["code"]) for each in _BLOCK.finditer(text) if each["kind"] == kind]


def follow(page: str, folder: Path) -> None:
    """Write what the Python blocks of a page say into the files that their first lines name."""
    for code in blocks(page, "python"):
        named = _NAMED.match(code)
        assert named, f"a block of {page} names no file: {code[:60]!r}"
        path = folder / named["path"]
        path.parent.mkdir(exist_ok=True)
        with path.open("a" if named["end"] else "w", encoding="utf-8") as file:
            file.write(code)
