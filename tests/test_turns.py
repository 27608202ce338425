"""Processes that write to one SQLite take turns, too: real ones, which are killed."""

import errno
import fcntl
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection

from chatrouting.sqlite.turns import Turn
from chatrouting.testing.people import make_person
from chatrouting.testing.system import wait_until

HOLDING = """
import sys, time
from chatrouting.sqlite.turns import Turn

turn, seconds = Turn(sys.argv[1]), float(sys.argv[2])
while turn.take(10):
    print("taken", flush=True)
    time.sleep(seconds)
    turn.give()
"""
INTERRUPTED = """
import signal, sys
from chatrouting.sqlite.turns import Turn

signal.signal(signal.SIGINT, signal.default_int_handler)  # of a job in the background it is ignored
turn = Turn(sys.argv[1])
print("waits", flush=True)
try:
    turn.take(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    signal.pause()
"""
TURN_SECONDS = 0.02
OURS = 20


@contextmanager
def another_process(path, seconds):
    """It takes the turn again as soon as it has given it, and has it for so many seconds each time."""
    arguments = [sys.executable, "-c", HOLDING, path, str(seconds)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "taken\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "turn")


def lock_at_once(path):
    """As another process would. Raises `BlockingIOError`."""
    with Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def taken(turn, seconds=10.0):
    assert turn.take(seconds)
    yield
    turn.give()


def test_a_process_that_takes_turn_after_turn_lets_another_in(path):
    """It has given it up for some microseconds each time: no look now and then would meet them."""
    turn = Turn(path)
    with another_process(path, TURN_SECONDS) as process:
        for _ in range(OURS):
            with taken(turn):
                pass
        process.kill()
        theirs = len(process.stdout.readlines())

    assert theirs < 3 * OURS


def test_whoever_dies_in_its_turn_has_passed_it_on(path):
    with another_process(path, 60) as process:
        process.kill()
        with taken(Turn(path), 5):
            pass


def test_it_is_waited_for_no_longer_than_is_said(path):
    with another_process(path, 60):
        began = time.monotonic()
        assert not Turn(path).take(0.05)
        assert time.monotonic() - began < 5


def test_who_has_given_up_waiting_holds_up_nobody(path):
    """When the turn comes that was waited for in vain it is passed on."""
    impatient, patient = Turn(path), Turn(path)
    with another_process(path, 60) as process:
        assert not impatient.take(0.05)
        process.kill()
        with taken(patient, 5):
            pass
    with taken(impatient, 5), pytest.raises(BlockingIOError):
        lock_at_once(path)


def test_however_often_it_is_waited_for_in_vain_one_thread_waits(path):
    turn = Turn(path)
    with another_process(path, 60):
        before = threading.active_count()
        assert not any(turn.take(0.01) for _ in range(5))
        assert threading.active_count() == before + 1


def test_a_wait_that_was_given_up_is_taken_up_by_the_next(path):
    turn = Turn(path)
    with another_process(path, 60) as process:
        assert not turn.take(0.01)
        process.kill()
        with taken(turn, 5), pytest.raises(BlockingIOError):
            lock_at_once(path)
    lock_at_once(path)


def test_a_wait_that_is_interrupted_holds_up_nobody(path):
    """As by Ctrl-C in a shell that goes on."""
    arguments = [sys.executable, "-c", INTERRUPTED, path]
    with (
        another_process(path, 60) as process,
        subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as waiting,
    ):
        try:
            assert waiting.stdout.readline() == "waits\n"
            wait_until(lambda: is_waited_for(waiting.pid), "its wait")
            waiting.send_signal(signal.SIGINT)
            assert waiting.stdout.readline() == "interrupted\n"
            process.kill()
            with taken(Turn(path), 5):
                pass
        finally:
            waiting.kill()


def is_waited_for(pid):
    """Whether a thread of the process waits for a lock on a file."""
    waits = (line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)
    return any(f" {pid} " in line for line in waits)


@pytest.mark.parametrize("is_held", [False, True])
def test_where_files_cannot_be_locked_threads_take_turns(path, monkeypatch, is_held):
    def refused(_, how):
        if is_held and how & fcntl.LOCK_NB:
            raise BlockingIOError
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)

    with taken(Turn(path)):
        pass


@pytest.mark.parametrize("place", [None, "/proc/turn"])
def test_where_there_is_no_file_for_it_threads_take_turns(place):
    turn = Turn(place)
    with taken(turn), ThreadPoolExecutor(1) as thread:
        assert not thread.submit(turn.take, 0.05).result()
    with taken(turn, 0):
        pass


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_who_writes_to_the_database_waits_for_the_turn_of_other_processes(monkeypatch):
    person = make_person()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    connection.close()
    same = get_user_model().objects.filter(pk=person.user_id)

    with (
        another_process(f"{connection.settings_dict['NAME']}-turn", 60),
        pytest.raises(OperationalError, match="database is locked"),
    ):
        same.update(first_name="never")
    same.update(first_name="now")
