"""`manage.py up` as a real process, with everything it starts."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings

from chatrouting.testing.client import ProtocolClient
from chatrouting.testing.system import free_port, wait_until
from tests.serving.hanging import stop_up

START_SECONDS = 30


class Up:
    """One `up` with a folder and a port of its own."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.folder, self.port = folder, port
        self.log = folder / f"up-{uuid.uuid4().hex[:8]}.log"
        clean = {
            name: value
            for name, value in os.environ.items()
            if name not in ("REDIS_URL", "DATABASE_URL", "SECRET_KEY")
        }
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=settings.BASE_DIR, stdout=output, stderr=subprocess.STDOUT,
                env={**clean, "DATA_DIR": str(folder), "PORT": str(port), "DEBUG": "1",
                     **environment},
                start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        return self.log.read_text()

    def has_said(self, text: str, seconds: float = START_SECONDS) -> None:
        wait_until(lambda: text in self.output, f"{text!r} in\n{self.output}", seconds)

    def serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as page:
                return page.status == 200
        except OSError:
            return False

    def children(self) -> dict[str, int]:
        """Every process that has this folder in its environment or arguments, but `up` itself."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            pid, command = int(path.name), self._command_of_ours(path)
            if command and pid not in (self.process.pid, os.getpid()):
                found[command] = pid
        return found

    def _command_of_ours(self, path: Path) -> str:
        try:
            command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            return ""
        ours = str(self.folder).encode() in command + environment
        return command.replace(b"\0", b" ").decode() if ours else ""

    def child(self, part: str) -> int:
        return next(pid for command, pid in self.children().items() if part in command)

    def ended(self) -> None:
        wait_until(lambda: not self.children(), "the end of all it started", 8)


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Up]:
    started = Up(folder, free_port(), **environment)
    try:
        started.has_said("The chat is at")
        wait_until(started.serves, "the site", START_SECONDS)
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()
        started.ended()


def signed_in(port: int) -> str:
    """The cookies of a demo account that has just signed in."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = f"http://127.0.0.1:{port}/accounts/login/"
    browser.open(page, timeout=10).close()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": "alice", "password": "demo", "csrfmiddlewaretoken": token}
    browser.open(page, urlencode(form).encode(), timeout=10).close()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that the tests leave running."""
    with running(tmp_path_factory.mktemp("up")) as started:
        yield started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_everything_within_five_seconds(tmp_path, number):
    with running(tmp_path) as up:
        began = time.monotonic()
        up.process.send_signal(number)
        assert up.process.wait(10) == 0
        assert time.monotonic() - began < 5
        assert up.children() == {}
        assert "Traceback" not in up.output, up.output


def test_it_does_not_wait_for_a_valkey_that_hangs_while_it_restarts(tmp_path):
    with running(tmp_path) as up:
        stop_up(tmp_path / "valkey")
        os.kill(up.child("valkey-server"), signal.SIGKILL)
        up.has_said("valkey ended; it starts again")
        wait_until(lambda: "valkey-server" in str(up.children()), "Valkey again")
        began = time.monotonic()
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(20) == 0
        assert time.monotonic() - began < 5


async def test_it_lets_the_web_process_drain_as_long_as_the_setting_says(tmp_path):
    """Row 70: also where that is longer than a child usually gets."""
    with running(tmp_path, CHATROUTING_DRAIN_SECONDS="3.5") as up:
        cookie = await asyncio.to_thread(signed_in, up.port)
        async with await ProtocolClient.connect(
            f"ws://127.0.0.1:{up.port}/ws/chat/",
            cookie=cookie,
            origin=f"http://127.0.0.1:{up.port}",
        ) as alice:
            await alice.ready()
            up.process.terminate()
            await alice.expect_close(4200)
        assert await asyncio.to_thread(up.process.wait, 10) == 0
        with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
            left = database.execute("SELECT count(*) FROM chatrouting_connections_process")
            assert left.fetchone() == (0,), "it was killed before it was done"


def test_it_leaves_no_process_when_it_is_killed(tmp_path):
    with running(tmp_path) as up:
        assert len(up.children()) >= 3
        up.process.kill()
        up.ended()


@pytest.mark.parametrize(("name", "command"), [("web", "run_web"), ("worker", "run_agents")])
def test_a_child_that_dies_is_named_and_started_again(up, name, command):
    before = up.child(command)
    os.kill(before, signal.SIGKILL)
    up.has_said(f"{name} ended by SIGKILL; it starts again in 0.5 s")
    wait_until(lambda: command in str(up.children()) and up.child(command) != before, command, 10)
    wait_until(up.serves, "the site again", START_SECONDS)


def test_a_valkey_that_dies_is_started_again(up):
    os.kill(up.child("valkey-server"), signal.SIGKILL)
    up.has_said("valkey ended; it starts again")
    wait_until(lambda: "valkey-server" in str(up.children()), "Valkey again")


def test_it_says_how_to_sign_in(up):
    assert f"The chat is at http://127.0.0.1:{up.port}/" in up.output
    assert "Sign in as alice or bob, password: demo" in up.output
    assert (
        f"The operator is admin, password: demo, at http://127.0.0.1:{up.port}/admin/" in up.output
    )


def test_where_tls_is_demanded_it_says_so(tmp_path):
    given = {"DEBUG": "0", "SECRET_KEY": "s" * 50 + uuid.uuid4().hex, "ALLOWED_HOSTS": "127.0.0.1"}
    up = Up(tmp_path, free_port(), **given)
    try:
        up.has_said("who comes without is sent to https")
    finally:
        up.process.terminate()
        up.process.wait(10)
        up.ended()


def test_a_second_one_on_the_folder_says_who_holds_it(up):
    second = Up(up.folder, free_port())
    assert second.process.wait(START_SECONDS) == 1
    assert f"is in use by process {up.process.pid}" in second.output


def test_where_folder_and_port_are_taken_it_says_who_holds_them(up):
    second = Up(up.folder, up.port)
    assert second.process.wait(START_SECONDS) == 1
    assert f"is in use by process {up.process.pid}" in second.output


def test_a_second_one_beside_it_runs_in_another_folder(up, tmp_path_factory):
    other = Up(tmp_path_factory.mktemp("other"), free_port())
    try:
        wait_until(other.serves, "the second site", START_SECONDS)
        assert up.serves()
    finally:
        other.process.terminate()
        other.process.wait(10)


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        started = Up(tmp_path, taken.getsockname()[1])
        assert started.process.wait(START_SECONDS) == 1
    assert f"Port {started.port} is in use" in started.output
    assert "Traceback" not in started.output
