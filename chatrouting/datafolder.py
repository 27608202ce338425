"""What lies in `DATA_DIR`: the database, Valkey's files and socket, the development key.

Read by `settings.py`, so it imports no Django.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import quote

# The kernel's bound on a unix socket's path (`sun_path`), less its closing NUL, on macOS; Linux has 107.
SOCKET_PATH_BYTES = 103


class ForeignFolder(Exception):
    """A folder that must be private belongs to another user."""

    def __str__(self) -> str:
        return (
            f"{self.args[0]} belongs to another user. Remove it, or set DATA_DIR to another folder."
        )


def made_folder(path: Path) -> Path:
    """Make the folder where it is missing, and those above it, open to this user alone."""
    if not path.parent.is_dir():
        made_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def private_folder(path: Path) -> Path:
    """As `made_folder`; one that is there already is closed to others. Raises `ForeignFolder`."""
    made_folder(path)
    owners = {path.lstat().st_uid, path.stat().st_uid}  # of a link, and of what it leads to
    if owners != {os.geteuid()}:
        raise ForeignFolder(path)
    path.chmod(0o700)
    return path


def development_key(data_dir: Path) -> str:
    """The secret key of a trial installation, made once and kept in `DATA_DIR`."""
    path = made_folder(data_dir) / "secret_key"
    if not path.exists():
        draft = path.with_name(f"secret_key.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):  # another process was first: its key counts
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def valkey_folder(data_dir: Path) -> Path:
    """Where the embedded Valkey keeps its files."""
    return data_dir / "valkey"


def valkey_socket(data_dir: Path) -> Path:
    """The embedded Valkey's socket; in the temporary folder where `DATA_DIR` is too long for one."""
    path = valkey_folder(data_dir) / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"chatrouting-{os.getuid()}-{name}" / "valkey.sock"


def valkey_url(data_dir: Path) -> str:
    """The address of the embedded Valkey."""
    return f"unix://{quote(str(valkey_socket(data_dir)))}"


def database_url(data_dir: Path) -> str:
    """The address of the SQLite database."""
    return f"sqlite:///{quote(str(data_dir / 'db.sqlite3'))}"
