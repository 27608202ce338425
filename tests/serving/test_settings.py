"""The guards of a production start, in real processes."""

import pytest
from django.conf import settings
from django.core.checks.registry import registry

from tests.serving.managing import manage

EVERYWHERE = "0.0.0.0"  # noqa: S104 - reason: what is refused here
PRODUCTION = {
    "SECRET_KEY": "a-long-random-text-that-nobody-guesses-0123456789-abcdefgh",
    "ALLOWED_HOSTS": "chat.example",
}


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_without_debug_a_missing_setting_is_named(tmp_path, missing):
    given = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = manage("check", data_dir=tmp_path, **given)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"{missing} is not set" in line


def test_a_production_site_passes_the_deployment_checks(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", data_dir=tmp_path, **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_the_first_command_makes_the_folder_of_the_database(tmp_path):
    done = manage("migrate", "--plan", data_dir=tmp_path / "made" / "here", **PRODUCTION)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made" / "here").stat().st_mode & 0o777 == 0o700


def test_the_routes_are_listed_without_a_database(tmp_path):
    nowhere = f"sqlite:///{tmp_path}/nowhere/db.sqlite3"
    done = manage("routes", data_dir=tmp_path, DATABASE_URL=nowhere, **PRODUCTION)
    assert "user_message" in done.stdout, done.stderr


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


def test_a_tool_for_the_model_that_is_not_there_is_named(tmp_path):
    done = manage(
        "check", data_dir=tmp_path, DEBUG="1", AGENT_MODEL="x", CHATROUTING_MODEL_TOOLS="clok,clock"
    )
    assert done.returncode == 1
    assert "chatrouting.E003" in done.stderr
    assert "'clok'" in done.stderr and "calculator, clock" in done.stderr


@pytest.mark.parametrize("command", ["run_web", "run_agents"])
def test_a_process_without_valkey_says_what_to_do(tmp_path, command):
    done = manage(command, data_dir=tmp_path, DEBUG="1")
    assert done.returncode == 1
    assert "Start `make run`, or set REDIS_URL." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def tried_out(tmp_path_factory):
    """A folder with the accounts of a trial installation."""
    folder = tmp_path_factory.mktemp("tried out")
    for arguments in (
        ("migrate", "-v0"),
        ("shell", "-v0", "-c",
         "from chatrouting.serving.demo_accounts import make_demo_accounts; make_demo_accounts()"),
    ):  # fmt: skip
        assert manage(*arguments, data_dir=folder, DEBUG="1").returncode == 0
    return folder


@pytest.mark.parametrize(
    "given", [PRODUCTION, {"DEBUG": "1", "HOST": EVERYWHERE}], ids=["production", "open"]
)
def test_demo_accounts_are_refused_where_others_can_reach_them(tried_out, given):
    done = manage("run_web", data_dir=tried_out, **given, REDIS_URL=settings.REDIS_URL)
    assert done.returncode == 1
    assert "The demo accounts admin, alice, bob can still sign in" in done.stderr
    assert (EVERYWHERE in done.stderr) is ("HOST" in given)


def test_the_checks_of_the_static_files_run():
    assert "servestatic.checks" in {check.__module__ for check in registry.get_checks()}


def test_a_port_that_is_no_number_is_named(tmp_path):
    done = manage("up", data_dir=tmp_path, DEBUG="1", PORT="eighty")
    assert done.returncode == 1
    assert "PORT is 'eighty'" in done.stderr


PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("", {}),
        ("?connect_timeout=2", {"connect_timeout": 2}),
        (
            "?tcp_user_timeout=500&keepalives_idle=1",
            {"tcp_user_timeout": 500, "keepalives_idle": 1},
        ),
    ],
)
def test_a_postgresql_that_is_gone_is_not_waited_for_long(tmp_path, query, given):
    """Row 53: nothing hangs; libpq alone would wait for the kernel: two minutes, or 15 once it is connected."""
    shown = manage(
        "shell", "-v0", "-c",
        "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS'])",
        data_dir=tmp_path, DEBUG="1", DATABASE_URL=f"postgres://user@192.0.2.1/name{query}",
    )  # fmt: skip
    assert shown.stdout.strip() == str({**PATIENCE, **given}), shown.stderr
