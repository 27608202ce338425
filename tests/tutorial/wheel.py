"""The project as others install it: a wheel, built from a copy of the sources."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.tutorial.pages import ROOT

PACKAGES = ("routing_core", "chatrouting")
BESIDE = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('wheels'))"
BUILD_SECONDS = 60


def build(folder: Path) -> Path:
    """Build the wheel in this folder, as any front end of PEP 517 would. The path of it."""
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in BESIDE:
        shutil.copy(ROOT / name, folder)
    done = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "wheels" / done.stdout.splitlines()[-1]


def install(wheel: Path, folder: Path) -> None:
    """Put it where Python finds it: a wheel without scripts is installed by unpacking it."""
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)


def contents(wheel: Path) -> set[str]:
    """The files in it, but for what says of itself."""
    with zipfile.ZipFile(wheel) as packed:
        return {name for name in packed.namelist() if ".dist-info/" not in name}


def sources() -> set[str]:
    """Every file of the packages."""
    return {
        str(path.relative_to(ROOT))
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
