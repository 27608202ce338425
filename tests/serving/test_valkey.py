"""The embedded Valkey, as a real server on folders of its own."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from chatrouting.datafolder import SOCKET_PATH_BYTES, ForeignFolder
from chatrouting.serving.lock import FolderInUse
from chatrouting.serving.valkey import EmbeddedValkey, ValkeyNotStarted
from chatrouting.testing.system import wait_until
from tests.serving.hanging import stop_up

STARTER = """
import sys, time
from pathlib import Path
from chatrouting.serving.valkey import EmbeddedValkey
valkey = EmbeddedValkey(Path(sys.argv[1]))
valkey.start()
print(valkey.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def client(valkey: EmbeddedValkey) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(valkey.socket))


def silence(valkey: EmbeddedValkey) -> None:
    """Let it hang at its next start: it waits for somebody to write what it reads."""
    with valkey:
        pass
    stop_up(valkey.folder)


def test_it_answers_on_its_socket_alone(tmp_path):
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        assert connection.ping()
        assert connection.config_get("port") == {"port": "0"}


def test_its_folder_is_open_to_its_user_alone(tmp_path):
    with EmbeddedValkey(tmp_path) as valkey:
        assert valkey.socket.parent.stat().st_mode & 0o077 == 0


def test_it_is_gone_after_stop(tmp_path):
    valkey = EmbeddedValkey(tmp_path)
    valkey.start()
    pid = valkey.pid
    valkey.stop()
    assert pid is not None
    assert not is_running(pid)


def test_what_was_written_is_there_after_a_restart(tmp_path):
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        connection.set("kept", "yes")
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        assert connection.get("kept") == b"yes"


def test_a_second_one_on_the_folder_says_who_holds_it(tmp_path):
    with EmbeddedValkey(tmp_path), pytest.raises(FolderInUse, match=f"process {os.getpid()}"):
        EmbeddedValkey(tmp_path).start()


def test_the_folder_is_free_again_after_stop(tmp_path):
    with EmbeddedValkey(tmp_path):
        pass
    with EmbeddedValkey(tmp_path) as again:
        assert again.alive


def test_a_long_path_gets_a_socket_that_the_kernel_takes(tmp_path):
    folder = tmp_path / ("long" * 30)
    with EmbeddedValkey(folder) as valkey, client(valkey) as connection:
        assert connection.ping()
        assert len(os.fsencode(valkey.socket)) <= SOCKET_PATH_BYTES


def test_it_ends_when_its_starter_is_killed(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert is_running(pid)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    wait_until(lambda: not is_running(pid), "the end of the server", 5)


def test_it_starts_at_once_after_its_starter_was_killed(tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    starter.kill()
    starter.wait()
    starter.stdout.close()
    with EmbeddedValkey(tmp_path) as valkey:
        assert valkey.alive


def test_a_starter_that_nobody_reaped_holds_no_folder(tmp_path):
    """In a container without an init nobody does; its process id is there, and it is dead."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    starter.stdout.readline()
    starter.kill()
    wait_until(lambda: not is_running(starter.pid), "the end of the starter")
    with EmbeddedValkey(tmp_path) as valkey:
        assert valkey.alive
    starter.wait()
    starter.stdout.close()


def test_a_server_that_stays_silent_is_waited_for_once(tmp_path, monkeypatch):
    monkeypatch.setattr("chatrouting.serving.valkey.READY_SECONDS", 0.1)
    valkey = EmbeddedValkey(tmp_path)
    silence(valkey)
    began = time.monotonic()
    with pytest.raises(ValkeyNotStarted, match=r"did not answer in 0\.1 s"):
        valkey.start()
    assert time.monotonic() - began < 1.7  # one question lasts a second
    assert not valkey.alive


def test_a_start_that_is_given_up_ends_at_once(tmp_path):
    valkey = EmbeddedValkey(tmp_path)
    silence(valkey)
    with ThreadPoolExecutor() as threads:
        start = threads.submit(valkey.start)
        wait_until(lambda: valkey.alive, "the server")
        valkey.give_up()
        began = time.monotonic()
        assert isinstance(start.exception(10), ValkeyNotStarted)
    assert time.monotonic() - began < 3
    assert not valkey.alive


def test_a_folder_of_somebody_else_is_not_used(tmp_path):
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    valkey = EmbeddedValkey(tmp_path)
    valkey.folder.mkdir()
    os.chown(valkey.folder, 65534, 65534)
    with pytest.raises(ForeignFolder, match="belongs to another user"):
        valkey.start()


def test_a_failure_shows_what_valkey_said(tmp_path):
    valkey = EmbeddedValkey(tmp_path)
    valkey.socket.mkdir(parents=True)
    (valkey.socket / "in the way").touch()
    with pytest.raises(ValkeyNotStarted, match="Failed opening Unix socket"):
        valkey.start()
    assert not valkey.alive


def test_a_torn_end_of_its_file_is_cut_off(tmp_path):
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        connection.set("kept", "yes")
    (written,) = valkey.folder.glob("appendonlydir/*.incr.aof")
    with written.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nto")
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        assert connection.get("kept") == b"yes"


def test_a_damaged_file_is_set_aside(tmp_path):
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        connection.set("kept", "yes")
    (written,) = valkey.folder.glob("appendonlydir/*.incr.aof")
    written.write_bytes(b"this is no command\r\n" + written.read_bytes())
    with EmbeddedValkey(tmp_path) as valkey, client(valkey) as connection:
        assert connection.get("kept") is None
    assert (valkey.folder / "damaged").is_dir()
