"""A project with a user model of its own: whoever signs in by an address is served like anybody."""

import shutil
from pathlib import Path

import pytest

from tests.tutorial import members, projects
from tests.tutorial.members.management.commands.ask import LISTS
from tests.tutorial.pages import ROOT

SETTINGS = """
AUTH_USER_MODEL = "members.Member"
INSTALLED_APPS = [
    "members",
    "chatrouting.console",
    "unfold.apps.BasicAppConfig",
    "chatrouting.console.apps.ConsoleAdminConfig",
    *(name for name in INSTALLED_APPS if name not in ("words", "django.contrib.admin")),
]
UNFOLD = {"SIDEBAR": {"navigation": "chatrouting.console.navigation.navigation"}}
"""


@pytest.fixture
def project(tmp_path):
    shell = projects.start(tmp_path, ROOT)
    shutil.copytree(Path(members.__file__).parent, tmp_path / "members")
    with (tmp_path / projects.NAME / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    return shell


def test_a_member_is_answered_and_an_operator_finds_what_is_theirs(project, tmp_path):
    done = project(f"DATA_DIR=$(mktemp -d) python manage.py ask {tmp_path}")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "success"
    assert [line for line in lines if line.startswith("searched")] == [
        f"searched {name}" for name in LISTS
    ]
    assert sum("alice@example.org" in line for line in lines) == 2
