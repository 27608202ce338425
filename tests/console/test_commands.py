"""What an operator's commands say where something is wrong: one line with what to do, and another exit code."""

import subprocess
import sys
import uuid

import pytest
from django.conf import settings

from chatrouting.testing.people import make_person
from tests.serving.managing import manage

NOWHERE = {"DATABASE_URL": "postgres://user@127.0.0.1:1/none"}
RUN = str(uuid.UUID(int=7))  # of none
NEED_THE_DATABASE = [
    ("prune",), ("connections",), ("disconnect", "--user", "x"), ("runs", "list"),
    ("runs", "show", RUN), ("dead_letters", "list"), ("broadcast", "hello", "--all"),
    ("verify_delivery", "--users", "1"),
]  # fmt: skip


def the_line(done):
    """The only line of a command that failed."""
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("CommandError: ")
    assert not done.stdout
    return line


@pytest.mark.parametrize("command", NEED_THE_DATABASE, ids=" ".join)
def test_a_database_that_is_away_is_named(tmp_path, command):
    """Row 53: with what to look at."""
    given = {"DEBUG": "1", "REDIS_URL": settings.REDIS_URL, **NOWHERE}

    line = the_line(manage(*command, data_dir=tmp_path, **given))

    assert "The database is not usable" in line
    assert "DATABASE_URL" in line


def test_a_database_without_tables_is_to_be_migrated(tmp_path):
    line = the_line(manage("connections", data_dir=tmp_path, DEBUG="1"))

    assert "Run `manage.py migrate`" in line


@pytest.mark.parametrize(
    "command", [("breakers",), ("breakers", "reset", "ping"), ("broadcast", "hello", "--all"),
                ("verify_delivery",)], ids=" ".join
)  # fmt: skip
def test_a_valkey_that_is_away_is_named(tmp_path, command):
    line = the_line(manage(*command, data_dir=tmp_path, DEBUG="1"))

    assert "Valkey does not answer" in line
    assert "Start `make run`, or set REDIS_URL." in line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("connections", "--user", "nobody-at-all"), "Nobody has the name 'nobody-at-all'."),
        (("disconnect", "--user", "nobody-at-all"), "Nobody has the name 'nobody-at-all'."),
        (("runs", "list", "--user", "nobody-at-all"), "Nobody has the name 'nobody-at-all'."),
        (("broadcast", "x", "--user", "nobody-at-all"), "Nobody has the name 'nobody-at-all'."),
        (("disconnect", "--connection", RUN), "Nobody is connected under this name or id."),
        (("runs", "list", "--limit", "-1"), "--limit is -1; it must be more than 0."),
        (("prune", "--batch", "0"), "--batch is 0; it must be more than 0."),
        (("runs", "show", RUN), f"There is no run {RUN}."),
        (("runs", "stop", RUN), f"There is no run {RUN}."),
        (("runs", "retry", RUN), f"There is no run {RUN}."),
        (("dead_letters", "replay", "999999999"), "There is no dead letter 999999999."),
        (("breakers", "list", "ping"), "`list` shows every route; 'ping' is one too many."),
        (("breakers", "reset", "nope"), "Name a route: one of "),
        (("verify_delivery", "--users", "0"), "--users is 0; it must be more than 0."),
        (("verify_delivery", "--url", "ftp://x"), "it must begin with http:// or https://."),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_wrong_is_named(failing, command, said):
    assert said in failing(*command)


@pytest.fixture
def failing():
    """Runs a command here, which is quicker; the words it fails with."""
    from django.core.management import CommandError, call_command

    def run(*command):
        with pytest.raises(CommandError) as failed:
            call_command(*command)
        return str(failed.value)

    return run


def test_somebody_who_is_not_connected_is_not_somebody_who_is_not_there(failing):
    assert "Nobody is connected" in failing("disconnect", "--user", make_person().name)


@pytest.mark.parametrize("arguments", [("routes", "--json"), ("routes", "--markdown")])
def test_a_reader_that_leaves_ends_the_command_without_a_word(arguments):
    """As `head` does: 141 is what a shell shows of a program that SIGPIPE ended."""
    with subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        said = running.stderr.read().decode()
        assert (running.wait(30), said) == (141, "")
