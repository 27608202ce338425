"""A Valkey that hangs while it starts."""

import os
from pathlib import Path


def stop_up(folder: Path) -> None:
    """Put a pipe, into which nobody writes, in the place of the file that it reads at its start."""
    (written,) = folder.glob("appendonlydir/*.incr.aof")
    written.unlink()
    os.mkfifo(written)
