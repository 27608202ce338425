"""A project of one's own, made as the page says, and a way to run a command in it as its reader would."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.tutorial.pages import follow

PAGE = "howto/use-in-a-project.md"
NAME = "site_of_words"
SECONDS = 120
OURS = (
    "CHATROUTING",
    "DATA",
    "DATABASE",
    "DEBUG",
    "DJANGO",
    "REDIS",
    "SECRET",
    "ALLOWED",
    "PYTEST",
)

Shell: TypeAlias = Callable[[str], "subprocess.CompletedProcess[str]"]


def start(folder: Path, packages: Path) -> Shell:
    """Make it in this folder, on the packages of that one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment["PYTHONPATH"] = str(packages)
    environment["PATH"] = f"{os.path.dirname(sys.executable)}:{environment['PATH']}"

    def shell(command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip

    made = shell(f"python -m django startproject {NAME} .")
    assert made.returncode == 0, made.stderr
    follow(PAGE, folder)
    return shell
