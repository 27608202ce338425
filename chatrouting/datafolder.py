"""What lies in `DATA_DIR`: the database, Valkey's files and socket, the development key.

Read by `settings.py`, so it imports no Django.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

# The kernel's bound on a unix socket's path (`sun_path`), less its closing NUL, on macOS; Linux has 107.
SOCKET_PATH_BYTES = 103


def private_folder(path: Path) -> Path:
    """Make the folder where it is missing, open to this user alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def development_key(data_dir: Path) -> str:
    """The secret key of a trial installation, made once and kept in `DATA_DIR`."""
    path = private_folder(data_dir) / "secret_key"
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
    return f"unix://{valkey_socket(data_dir)}"
