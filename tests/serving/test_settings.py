"""The guards of a production start, in real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

PRODUCTION = {
    "SECRET_KEY": "a-long-random-text-that-nobody-guesses-0123456789-abcdefgh",
    "ALLOWED_HOSTS": "chat.example",
}


def manage(*arguments: str, data_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing of this process's own settings."""
    clean = {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, env=clean, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_without_debug_a_missing_setting_is_named(tmp_path, missing):
    given = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = manage("check", data_dir=tmp_path, **given)
    assert done.returncode == 1
    assert f"{missing} is not set" in done.stderr


def test_a_production_site_passes_the_deployment_checks(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", data_dir=tmp_path, **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_with_debug_the_key_is_made_once_for_this_user_alone(tmp_path):
    manage("check", data_dir=tmp_path, DEBUG="1")
    key = tmp_path / "secret_key"
    first = key.read_text()
    manage("check", data_dir=tmp_path, DEBUG="1")
    assert key.read_text() == first
    assert len(first) >= 50
    assert key.stat().st_mode & 0o777 == 0o600


def test_with_debug_only_loopback_names_are_served(tmp_path):
    shown = manage(
        "shell", "-v0", "-c", "from django.conf import settings; print(settings.ALLOWED_HOSTS)",
        data_dir=tmp_path, DEBUG="1",
    )  # fmt: skip
    assert shown.stdout.strip() == "['localhost', '127.0.0.1', '[::1]']", shown.stderr


def test_an_unknown_setting_is_named_with_those_there_are(tmp_path):
    done = manage("check", data_dir=tmp_path, DEBUG="1", CHATROUTING_HARTBEAT="1")
    assert done.returncode == 1
    assert "chatrouting.E001" in done.stderr
    assert "no key 'HARTBEAT'" in done.stderr
    assert "HEARTBEAT_SECONDS" in done.stderr


@pytest.mark.parametrize("command", ["run_web", "run_agents"])
def test_a_process_without_valkey_says_what_to_do(tmp_path, command):
    done = manage(command, data_dir=tmp_path, DEBUG="1")
    assert done.returncode == 1
    assert "Start `make run`, or set REDIS_URL." in done.stderr
    assert "Traceback" not in done.stderr


def test_production_refuses_open_demo_accounts(tmp_path):
    for arguments in (
        ("migrate", "-v0"),
        ("shell", "-v0", "-c",
         "from chatrouting.serving.demo_accounts import make_demo_accounts; make_demo_accounts()"),
    ):  # fmt: skip
        assert manage(*arguments, data_dir=tmp_path, DEBUG="1").returncode == 0
    done = manage("run_web", data_dir=tmp_path, **PRODUCTION, REDIS_URL=settings.REDIS_URL)
    assert done.returncode == 1
    assert "The demo accounts admin, alice, bob can still sign in" in done.stderr


def test_a_port_that_is_no_number_is_named(tmp_path):
    done = manage("up", data_dir=tmp_path, DEBUG="1", PORT="eighty")
    assert done.returncode == 1
    assert "PORT is 'eighty'" in done.stderr
