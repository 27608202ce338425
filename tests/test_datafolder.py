"""What lies in `DATA_DIR`, whatever the folder is called and whoever made it."""

import os
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from chatrouting.agents.models import Run
from chatrouting.agents.queue import QueueReader, RunQueue
from chatrouting.datafolder import (
    ForeignFolder,
    database_url,
    development_key,
    private_folder,
    valkey_url,
)
from chatrouting.serving.valkey import EmbeddedValkey
from tests.serving.managing import manage

ODD = "a b#c?d%20e&f@g:\xe4"


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def odd(tmp_path):
    """A running Valkey in a folder whose name means something in an address."""
    folder = tmp_path / ODD
    with EmbeddedValkey(folder), override_settings(REDIS_URL=valkey_url(folder)):
        yield folder


def test_redis_py_finds_valkey_in_any_folder(odd):
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        assert client.ping()


async def test_the_run_queue_finds_valkey_in_any_folder(odd):
    queue, reader, run = RunQueue(), QueueReader(), Run()
    queue.put(run)

    assert await reader.take(1) == [run.pk]
    reader.close()


def test_the_database_lies_in_any_folder(tmp_path):
    shown = manage(
        "shell", "-v0", "-c",
        "from django.conf import settings; print(settings.DATABASES['default']['NAME'])",
        data_dir=tmp_path / ODD, DEBUG="1", PYTHONIOENCODING="utf-8",
    )  # fmt: skip
    assert shown.stdout.strip() == str(tmp_path / ODD / "db.sqlite3"), shown.stderr


def test_an_address_of_a_plain_folder_is_plain():
    assert database_url(Path("/srv/chat")) == "sqlite:////srv/chat/db.sqlite3"
    assert valkey_url(Path("/srv/chat")) == "unix:///srv/chat/valkey/valkey.sock"


def test_a_private_folder_is_closed_to_others_and_so_are_those_made_for_it(tmp_path):
    folder = private_folder(tmp_path / "a" / "b" / "c")

    assert [mode(each) for each in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3


def test_an_open_folder_of_ours_is_closed(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    folder.chmod(0o777)

    assert mode(private_folder(folder)) == 0o700


def foreign_folder(tmp_path):
    if os.geteuid():
        return Path("/usr")
    folder = tmp_path / "foreign"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    return folder


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(tmp_path):
    """Who owns the folder of the socket could put a server of their own there."""
    folder = foreign_folder(tmp_path)
    before = mode(folder)

    with pytest.raises(ForeignFolder, match=f"{folder} belongs to another user"):
        private_folder(folder)

    assert mode(folder) == before


def test_a_link_of_somebody_else_is_refused(tmp_path):
    if os.geteuid():
        pytest.skip("only root can make a link of another user")
    (tmp_path / "ours").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "ours")
    os.chown(link, 65534, 65534, follow_symlinks=False)

    with pytest.raises(ForeignFolder):
        private_folder(link)


def test_a_data_folder_that_others_may_read_stays_so(tmp_path):
    """It may be a mounted volume: only what must be secret is closed in it."""
    tmp_path.chmod(0o755)

    development_key(tmp_path)

    assert mode(tmp_path) == 0o755
    assert mode(tmp_path / "secret_key") == 0o600
